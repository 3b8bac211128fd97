-- Refreshing by schedule: what the worker and run_due call for what is due, and what they do besides.

create or replace function pgtrickle._suspend_if_failing(target bigint)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
declare
    failing pgtrickle.pgt_stream_tables;
begin
    select s.* into failing
    from pgtrickle.pgt_stream_tables s
    where s.pgt_id = target
      and s.status = 'ERROR'
      and s.consecutive_errors >= pgtrickle._setting('max_consecutive_errors')::integer
    for no key update skip locked;
    if not found then
        return false;
    end if;
    -- Not by _alter_status: what went wrong stays to be read.
    update pgtrickle.pgt_stream_tables s set status = 'SUSPENDED' where s.pgt_id = target;
    perform pgtrickle._notify(failing, 'auto_suspended', jsonb_build_object(
        'consecutive_errors', failing.consecutive_errors,
        'error_message', left(failing.last_error_message, 2000)));
    return true;
end
$$;
comment on function pgtrickle._suspend_if_failing(bigint) is
    'Suspends a stream table, and alerts, when it failed max_consecutive_errors times in a row; whether it did';


create or replace function pgtrickle._refresh_scheduled(name text)
    returns pgtrickle.refresh_outcome
    language plpgsql
    set jit = off
as $$
declare
    outcome pgtrickle.refresh_outcome;
begin
    -- Whoever drains looks for this lock, and has its own seen from then on.
    perform pg_catalog.pg_advisory_xact_lock_shared(1885829237, 4);
    -- This one is for those who look: parallel_job_status.
    perform pg_catalog.pg_advisory_xact_lock_shared(1885829238, pg_catalog.mod((pgtrickle._find(name)).pgt_id, 2147483648)::integer);
    if pgtrickle._draining() then
        outcome.status := 'SKIPPED';
        outcome.action := 'SKIP';
        outcome.reason := 'somebody drains the scheduler';
        return outcome;
    end if;
    outcome := pgtrickle.try_refresh(name, wait => false, initiated_by => 'SCHEDULER');
    if outcome.status = 'FAILED' then
        if pgtrickle._suspend_if_failing(outcome.pgt_id) then
            outcome.reason := 'suspended after too many failures in a row; select pgtrickle.resume_stream_table(...) brings it back';
        end if;
    end if;
    return outcome;
end
$$;
comment on function pgtrickle._refresh_scheduled(text) is
    'try_refresh as the scheduler does it: one being refreshed is SKIPPED, one that keeps failing is suspended';


create or replace function pgtrickle._purge_history(at_most integer default 10000)
    returns bigint
    language sql
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with gone as (
        delete from pgtrickle.pgt_refresh_history h
        using (
            select o.refresh_id, o.start_time
            from pgtrickle.pgt_refresh_history o
            order by o.refresh_id
            limit at_most
        ) oldest
        where h.refresh_id = oldest.refresh_id
          and oldest.start_time < now() - make_interval(days => pgtrickle._setting('history_retention_days')::integer)
        returning 1
    )
    select count(*) from gone
$$;
comment on function pgtrickle._purge_history(integer) is
    'Deletes history older than history_retention_days, the oldest at_most rows of it; how many they were';


create or replace function pgtrickle._refresh_together(ids bigint[])
    returns table (
        name text, pgt_id bigint, status text, action text, rows_inserted bigint, rows_deleted bigint, delta_row_count bigint,
        was_full_fallback boolean, reason text, duration_ms double precision, error_code text, error_message text)
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
declare
    member record;
    cause text;
    left_alone jsonb := '{}';
    outcome pgtrickle.refresh_outcome;
begin
    for member in
        select o.*
        from pgtrickle._in_order() with ordinality o (pgt_id, name, depth, upstream, number)
        where o.pgt_id = any (ids)
        order by o.number
    loop
        cause := (select min(left_alone ->> u::text) from unnest(member.upstream) u);
        if cause is null then
            outcome := pgtrickle._refresh_scheduled(member.name);
            if outcome.error_code in ('40001', '40P01') then
                -- Somebody was faster: only another snapshot helps.
                raise exception using
                    errcode = outcome.error_code,
                    message = format('%s: %s', member.name, outcome.error_message);
            end if;
            cause := case when outcome.status <> 'COMPLETED' then member.name end;
        else
            outcome := null;
            outcome.pgt_id := member.pgt_id;
            outcome.status := 'SKIPPED';
            outcome.action := 'SKIP';
            outcome.reason := format('%s was not refreshed', cause);
        end if;
        if cause is not null then
            left_alone := left_alone || jsonb_build_object(member.pgt_id::text, cause);
        end if;
        return query select member.name, (outcome).*;
    end loop;
end
$$;
comment on function pgtrickle._refresh_together(bigint[]) is
    'Refreshes stream tables as the scheduler does, in one transaction, upstream first; what reads one that could not be refreshed is left as it is (SKIPPED). Under REPEATABLE READ all see one moment, and error 40001 says that another one is needed';


create or replace function pgtrickle._adrift()
    returns table (pgt_id bigint, name text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    select s.pgt_id, pgtrickle._quoted(s.pgt_schema, s.pgt_name)
    from pgtrickle.pgt_stream_tables s
    join pgtrickle.pgt_frontiers f using (pgt_id)
    where s.refresh_mode = 'IMMEDIATE'
      and s.is_populated
      and s.status <> 'SUSPENDED'
      and pg_has_role(s.pgt_owner, 'USAGE')
      and (f.cluster_id <> pgtrickle._cluster_id() or f.stamp <> pgtrickle._catalog_stamp(s.pgt_id))
$$;
comment on function pgtrickle._adrift() is
    'IMMEDIATE stream tables whose sources may not be maintaining them any more, for one was rebuilt under its name or lost its triggers: a refresh mends that';
