-- Events by NOTIFY. A refresh that found nothing to do sends none: a notification costs a lock that
-- all notifying transactions of the server share, from here until commit.

create or replace function pgtrickle._alerts(target pgtrickle.pgt_stream_tables)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return not target.pooler_compatibility_mode
        and coalesce(lower(pgtrickle._setting('alerts')), 'on') not in ('off', 'false', 'no', '0');
end
$$;
comment on function pgtrickle._alerts(pgtrickle.pgt_stream_tables) is
    'Whether events of a stream table are sent: not in pooler_compatibility_mode, nor where the setting alerts is off';


create or replace function pgtrickle._fitted(payload jsonb)
    returns text
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
declare
    whole constant text := payload::text;
begin
    -- There is room for less than 8,000 bytes, and texts in it come from users.
    if octet_length(whole) < 8000 then
        return whole;
    end if;
    return (
        select jsonb_object_agg(key, case when jsonb_typeof(value) = 'string' then to_jsonb(left(value #>> '{}', 200)) else value end)::text
        from jsonb_each(payload));
end
$$;
comment on function pgtrickle._fitted(jsonb) is 'The text of an event''s payload, its own texts cut to 200 characters where it would not fit into a notification';


create or replace function pgtrickle._notify(target pgtrickle.pgt_stream_tables, event text, details jsonb default '{}')
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    payload constant jsonb := jsonb_build_object(
        'event', event,
        'pgt_schema', target.pgt_schema,
        'pgt_name', target.pgt_name,
        'st', pgtrickle._quoted(target.pgt_schema, target.pgt_name)) || details;
begin
    if not pgtrickle._alerts(target) then
        return;
    end if;
    perform pg_notify('pg_trickle_alert', pgtrickle._fitted(payload));
end
$$;
comment on function pgtrickle._notify(pgtrickle.pgt_stream_tables, text, jsonb) is
    'Sends an event to the channel pg_trickle_alert, where alerts are on; long texts are cut where there is no room for them';


create or replace function pgtrickle._alert_refresh(outcome pgtrickle.refresh_outcome)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    target pgtrickle.pgt_stream_tables;
begin
    if outcome.action = 'NO_DATA' then
        return;
    end if;
    select s.* into target from pgtrickle.pgt_stream_tables s where s.pgt_id = outcome.pgt_id;
    if outcome.status = 'FAILED' then
        perform pgtrickle._notify(target, 'refresh_failed', jsonb_build_object(
            'action', outcome.action,
            'error', left(outcome.error_message, 1000),
            'error_code', outcome.error_code,
            'consecutive_errors', target.consecutive_errors,
            'duration_ms', round(outcome.duration_ms::numeric, 3)));
    else
        perform pgtrickle._notify(target, 'refresh_completed', jsonb_build_object(
            'action', outcome.action,
            'rows_inserted', outcome.rows_inserted,
            'rows_deleted', outcome.rows_deleted,
            'duration_ms', round(outcome.duration_ms::numeric, 3)));
    end if;
end
$$;
comment on function pgtrickle._alert_refresh(pgtrickle.refresh_outcome) is
    'Tells by NOTIFY what a refresh did: refresh_completed or refresh_failed; nothing where there was nothing to do';


create or replace function pgtrickle._tell_subscribers(outcome pgtrickle.refresh_outcome)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_notify(c.channel, jsonb_build_object(
        'stream_table', pgtrickle._quoted(s.pgt_schema, s.pgt_name),
        'action', outcome.action,
        'rows_inserted', outcome.rows_inserted,
        'rows_deleted', outcome.rows_deleted)::text)
    from pgtrickle.pgt_subscriptions c
    join pgtrickle.pgt_stream_tables s on s.pgt_id = c.pgt_id
    where c.pgt_id = outcome.pgt_id
      and pgtrickle._alerts(s);
end
$$;
comment on function pgtrickle._tell_subscribers(pgtrickle.refresh_outcome) is
    'Notifies the channels that subscribe to a stream table of a refresh that changed rows of it';


insert into pgtrickle.settings (name, value, unit, description)
values ('alerts', 'on', null, 'Whether refreshes and other events are told by NOTIFY on pg_trickle_alert: on or off. Off where refreshes run in transactions that are prepared (PREPARE TRANSACTION forbids NOTIFY)')
on conflict (name) do update
    set unit = excluded.unit,
        description = excluded.description;
