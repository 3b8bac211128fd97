-- What is told by NOTIFY of states that last: again and again, as often as this is called.

create or replace function pgtrickle._alert_states()
    returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
declare
    told bigint := 0;
    state record;
begin
    if coalesce(lower(pgtrickle._setting('alerts')), 'on') in ('off', 'false', 'no', '0') then
        return 0;
    end if;
    for state in select * from pgtrickle._states_of_tables() loop
        perform pgtrickle._notify(s, state.event, state.details) from pgtrickle.pgt_stream_tables s where s.pgt_id = state.pgt_id;
        told := told + 1;
    end loop;
    for state in select * from pgtrickle._states_of_service() loop
        perform pg_notify(state.channel, pgtrickle._fitted(jsonb_build_object('event', state.event) || state.details));
        told := told + 1;
    end loop;
    return told;
end
$$;
comment on function pgtrickle._alert_states() is 'Tells by NOTIFY of what is wrong and has been for a while; how many events. A worker calls it once a minute, run_due each time';


create or replace function pgtrickle._states_of_tables()
    returns table (pgt_id bigint, event text, details jsonb)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with duration as materialized (
        -- Each schedule is read once, however many tables have it.
        select given.schedule, pgtrickle.parse_duration_seconds(given.schedule) as seconds
        from (select distinct s.schedule from pgtrickle.pgt_stream_tables s where s.schedule is not null) given
    ),
    mine as materialized (
        select s.*, extract(epoch from clock_timestamp() - s.last_refresh_at) as age, d.seconds
        from pgtrickle.pgt_stream_tables s
        left join duration d on d.schedule = s.schedule
        where pg_has_role(s.pgt_owner, 'USAGE')
    ),
    -- Counted only where the size says that it may be so; each buffer's is asked once.
    grown as materialized (
        select k.source_relid
        from pgtrickle.pgt_captures k
        cross join (select 20 * pgtrickle._setting('max_buffer_rows')::bigint as bytes) bound
        where exists (
            select from pgtrickle._buffers(k.source_relid) b where pg_relation_size(to_regclass(b.buffer)) > bound.bytes)
    )
    select m.pgt_id, 'stale_data', jsonb_build_object('staleness_seconds', round(m.age), 'schedule', m.schedule)
    from mine m
    where case when m.age > 2 * m.seconds * case m.refresh_tier when 'warm' then 2 when 'cold' then 10 else 1 end + 5
        then (select pgtrickle._is_overdue(s) from pgtrickle.pgt_stream_tables s where s.pgt_id = m.pgt_id) end
    union all
    select m.pgt_id, 'fuse_blown_reminder', jsonb_build_object('reason', m.blow_reason, 'blown_at', m.blown_at)
    from mine m
    where m.fuse_state = 'blown'
    union all
    select m.pgt_id, 'reinitialize_needed', jsonb_build_object('reason', 'its definition, or that of a source, was changed')
    from mine m
    where m.needs_reinit
    union all
    select m.pgt_id, 'predicted_sla_breach',
        jsonb_build_object('freshness_deadline_ms', m.freshness_deadline_ms, 'refresh_ms', round(1000 * p.busy_seconds))
    from mine m
    join pgtrickle._pace_of(array(select l.pgt_id from mine l where l.freshness_deadline_ms is not null)) p using (pgt_id)
    where 1000 * p.busy_seconds > 0.1 * m.freshness_deadline_ms
    union all
    select m.pgt_id, 'buffer_growth_warning',
        jsonb_build_object('source', pgtrickle._quoted(d.source_schema, d.source_name), 'pending_rows', c.pending)
    from mine m
    join pgtrickle.pgt_dependencies d on d.pgt_id = m.pgt_id and d.source_number is not null
    join grown g on g.source_relid = d.source_relid
    join lateral pgtrickle._pending_changes(m.pgt_id) c on c.source_relid = d.source_relid
    where c.pending > pgtrickle._setting('max_buffer_rows')::bigint
$$;
comment on function pgtrickle._states_of_tables() is 'What is wrong with the caller''s stream tables and has been for a while, as events of the channel pg_trickle_alert';


create or replace function pgtrickle._states_of_service()
    returns table (channel text, event text, details jsonb)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    select 'pg_trickle_alert', 'cdc_trigger_disabled', jsonb_build_object('source', c.source_table, 'alert', c.alert)
    from pgtrickle.check_cdc_health() c
    where c.alert like 'capture_triggers_changed%'
    union all
    select 'pg_trickle_alert', 'scheduler_falling_behind',
        jsonb_build_object('late', count(*), 'seconds', round(max(extract(epoch from clock_timestamp() - d.due_at))))
    from pgtrickle._schedulable() d
    where d.due_at < clock_timestamp() - interval '30 s'
    having count(*) > 0
    union all
    select 'pgtrickle_alert', 'watermark_stuck', jsonb_build_object('group_name', w.group_name, 'lag_secs', w.lag_secs)
    from pgtrickle.watermark_status() w
    where not w.aligned
      and not exists (
          select from pgtrickle.pgt_watermark_groups g
          join pgtrickle.pgt_watermarks m on m.source_relid = any (g.source_relids)
          where g.group_name = w.group_name
            and m.updated_at > now() - interval '5 min')
$$;
comment on function pgtrickle._states_of_service() is 'What is wrong with capture, scheduling and watermarks and has been for a while, as events and their channels';
