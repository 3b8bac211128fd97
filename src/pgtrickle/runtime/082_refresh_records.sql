-- What a refresh leaves in the catalog.

create or replace function pgtrickle._refreshable(target bigint)
    returns pgtrickle.pgt_stream_tables
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    stream_table pgtrickle.pgt_stream_tables;
begin
    select s.* into stream_table from pgtrickle.pgt_stream_tables s where s.pgt_id = target;
    if not found or not exists (select from pg_class c where c.oid = stream_table.pgt_relid) then
        raise exception using
            errcode = '42P01',
            message = case when stream_table.pgt_id is null
                then format('the stream table with pgt_id %s does not exist', target)
                else format('the table of stream table %I.%I was dropped', stream_table.pgt_schema, stream_table.pgt_name) end;
    end if;
    perform pgtrickle._check_not_given_away(stream_table);
    if stream_table.fuse_state = 'blown' then
        raise exception using
            errcode = '55000',
            message = format('the fuse of stream table %I.%I is blown: %s', stream_table.pgt_schema, stream_table.pgt_name, stream_table.blow_reason),
            hint = format('select pgtrickle.reset_fuse(%L, ''apply''), or ''reinitialize'', or ''skip_changes''', format('%I.%I', stream_table.pgt_schema, stream_table.pgt_name));
    end if;
    if stream_table.status = 'SUSPENDED' then
        raise exception using
            errcode = '55000',
            message = format('stream table %I.%I is suspended', stream_table.pgt_schema, stream_table.pgt_name),
            hint = format('select pgtrickle.resume_stream_table(%L)', format('%I.%I', stream_table.pgt_schema, stream_table.pgt_name));
    end if;
    return stream_table;
end
$$;
comment on function pgtrickle._refreshable(bigint) is 'The stream table; error when it is gone (42P01), has another owner (42501) or is suspended (55000)';


create or replace function pgtrickle._remember_storage(target bigint)
    returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    -- The storage of one whose changes go unseen for now says nothing of the rows it was read with.
    update pgtrickle.pgt_dependencies d
    set source_storage = present.storage,
        column_snapshot = present.columns
    from (
        select p.source_relid,
            case when pgtrickle._not_observable(p.source_relid) is null then pgtrickle._source_storage(p.source_relid) end as storage,
            pgtrickle._columns_as_defined(p.source_relid) as columns
        from pgtrickle.pgt_dependencies p
        where p.pgt_id = target
          and p.source_number is not null
    ) present
    where d.pgt_id = target
      and d.source_relid = present.source_relid
      and (d.source_storage, d.column_snapshot) is distinct from (present.storage, present.columns)
$$;
comment on function pgtrickle._remember_storage(bigint) is
    'Notes how the captured sources are stored and defined, for the next refresh to compare with';


create or replace function pgtrickle._record_success(
        outcome pgtrickle.refresh_outcome, started timestamptz, initiated_by text, differential boolean)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    has_subscribers boolean;
begin
    if initiated_by = 'STATEMENT' and outcome.rows_inserted + outcome.rows_deleted = 0 then
        if exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = outcome.pgt_id and s.status = 'ACTIVE' and not s.needs_reinit) then
            return;
        end if;
    end if;
    -- Two statements: as one, with a CTE, they take a quarter longer.
    update pgtrickle.pgt_stream_tables s
    set status = 'ACTIVE',
        is_populated = true,
        needs_reinit = s.needs_reinit and outcome.action = 'NO_DATA',
        data_timestamp = case when outcome.action = 'NO_DATA' then s.data_timestamp else started end,
        last_refresh_at = started,
        consecutive_errors = 0,
        last_error_message = null,
        last_error_code = null,
        last_error_at = null,
        effective_refresh_mode = case when s.refresh_mode = 'IMMEDIATE' then 'IMMEDIATE' when differential then 'DIFFERENTIAL' else 'FULL' end,
        last_full_ms = case when outcome.action in ('FULL', 'REINITIALIZE') then outcome.duration_ms else s.last_full_ms end
    where s.pgt_id = outcome.pgt_id;
    insert into pgtrickle.pgt_refresh_history (
        pgt_id, data_timestamp, start_time, end_time, action, rows_inserted, rows_deleted, delta_row_count,
        was_full_fallback, status, initiated_by, reason)
    values (
        outcome.pgt_id, started, started, clock_timestamp(), outcome.action, outcome.rows_inserted, outcome.rows_deleted,
        coalesce(outcome.delta_row_count, 0), outcome.was_full_fallback, 'COMPLETED', nullif(initiated_by, 'STATEMENT'), outcome.reason)
    returning exists (select from pgtrickle.pgt_subscriptions c where c.pgt_id = outcome.pgt_id)
    into has_subscribers;
    if outcome.action <> 'NO_DATA' and initiated_by is distinct from 'STATEMENT' then
        perform pgtrickle._alert_refresh(outcome);  -- not for each statement of a writer
    end if;
    if has_subscribers and outcome.rows_inserted + outcome.rows_deleted > 0 then
        perform pgtrickle._tell_subscribers(outcome);
    end if;
end
$$;
comment on function pgtrickle._record_success(pgtrickle.refresh_outcome, timestamptz, text, boolean) is
    'Writes a completed refresh to the catalog and the history; whatever was wrong before is healed. One by a writer''s statement (initiated_by STATEMENT, stored null) that changed nothing leaves no trace';


create or replace function pgtrickle._note_without_states(before pgtrickle.pgt_stream_tables)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    update pgtrickle.pgt_refresh_history h
    set without_states = true
    where h.refresh_id = currval('pgtrickle.pgt_refresh_history_refresh_id_seq');
    update pgtrickle.pgt_stream_tables s
    set last_full_ms = before.last_full_ms
    where s.pgt_id = before.pgt_id;
end
$$;
comment on function pgtrickle._note_without_states(pgtrickle.pgt_stream_tables) is
    'Notes of the refresh just recorded that it left states empty, so that it is no measure of recomputing with them. before: the stream table as it was';


create or replace function pgtrickle._record_failure(
        outcome pgtrickle.refresh_outcome, started timestamptz, initiated_by text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    update pgtrickle.pgt_stream_tables s
    set status = case when s.status = 'SUSPENDED' then s.status else 'ERROR' end,
        consecutive_errors = s.consecutive_errors + 1,
        last_error_message = outcome.error_message,
        last_error_code = outcome.error_code,
        last_error_at = clock_timestamp()
    from (
        -- Where another refresh is writing the row, its outcome is the later one.
        select k.pgt_id from pgtrickle.pgt_stream_tables k where k.pgt_id = outcome.pgt_id for no key update skip locked
    ) unlocked
    where s.pgt_id = unlocked.pgt_id;
    insert into pgtrickle.pgt_refresh_history (
        pgt_id, data_timestamp, start_time, end_time, action, status, initiated_by, error_message, error_code)
    select s.pgt_id, coalesce(s.data_timestamp, started), started, clock_timestamp(), outcome.action,
        'FAILED', initiated_by, outcome.error_message, outcome.error_code
    from pgtrickle.pgt_stream_tables s
    where s.pgt_id = outcome.pgt_id;
    perform pgtrickle._alert_refresh(outcome);
end
$$;
comment on function pgtrickle._record_failure(pgtrickle.refresh_outcome, timestamptz, text) is
    'Writes a failed refresh to the catalog and the history';


create or replace function pgtrickle._try_refresh(
        target bigint, mode text default null, initiated_by text default 'MANUAL', wait boolean default true)
    returns pgtrickle.refresh_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    started constant timestamptz := clock_timestamp();
    outcome pgtrickle.refresh_outcome;
    message text;
    detail text;
    hint text;
begin
    return pgtrickle._refresh(target, mode, initiated_by, wait);
exception when others then
    get stacked diagnostics
        message = message_text,
        detail = pg_exception_detail,
        hint = pg_exception_hint;
    outcome.pgt_id := target;
    outcome.status := 'FAILED';
    outcome.action := case
        when upper(coalesce(mode, '')) in ('FULL', 'REINITIALIZE') then upper(mode)
        when exists (
            select from pgtrickle.pgt_plans p
            where p.pgt_id = target
              and p.plan_status = 'COMPILED'
              and p.plan ->> 'mode' = 'DIFFERENTIAL') then 'DIFFERENTIAL'
        else 'FULL'
    end;
    outcome.rows_inserted := 0;
    outcome.rows_deleted := 0;
    outcome.was_full_fallback := false;
    outcome.duration_ms := 1000 * extract(epoch from clock_timestamp() - started);
    outcome.error_code := sqlstate;
    outcome.error_message := concat_ws(E'\n', message, nullif(detail, ''), nullif(hint, ''));
    -- One that was dropped meanwhile has no history any more.
    if exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = target) then
        perform pgtrickle._record_failure(outcome, started, initiated_by);
    end if;
    return outcome;
end
$$;
comment on function pgtrickle._try_refresh(bigint, text, text, boolean) is
    'As _refresh, but what goes wrong is recorded and returned instead of raised';
