-- Refreshing by schedule: what the worker calls for each table that is due, and run_due, which does
-- the same from pg_cron or any other scheduler.

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


create or replace function pgtrickle._adrift()
    returns setof text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    select pgtrickle._quoted(s.pgt_schema, s.pgt_name)
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


-- No search_path is set: a procedure that commits may not.
create or replace procedure pgtrickle.run_due()
    language plpgsql
as $$
declare
    due record;
begin
    for due in
        select d.name from pgtrickle._due() d
        union all
        select a.name from pgtrickle._adrift() a (name)
    loop
        begin
            perform pgtrickle._refresh_scheduled(due.name);
        exception when others then
            raise warning 'stream table % could not be refreshed: %', due.name, sqlerrm;
        end;
        commit;
    end loop;
    perform pgtrickle._purge_all();
    commit;
    perform pgtrickle._purge_history();
end
$$;
comment on procedure pgtrickle.run_due() is
    'Refreshes what is due, each table in a transaction of its own, and purges: for pg_cron and the like, where no worker runs. Call it outside a transaction';
