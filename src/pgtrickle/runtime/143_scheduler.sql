-- Holding single stream tables back from their schedules, and what the scheduler is at.

create or replace function pgtrickle.pause_scheduler(nodes text[])
    returns text
    language plpgsql
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables;
begin
    for target in
        select f.* from pg_catalog.unnest(nodes) node, pgtrickle._find(node) f order by f.pgt_id
    loop
        perform pgtrickle._check_owner(target);
        -- A refresh under way holds it; until we commit, none begins.
        perform from pgtrickle.pgt_frontiers f where f.pgt_id operator(pg_catalog.=) target.pgt_id for update;
        insert into pgtrickle.pgt_scheduler_pauses (pgt_id) values (target.pgt_id) on conflict do nothing;
    end loop;
    return 'OK';
end
$$;
comment on function pgtrickle.pause_scheduler(text[]) is
    'Keeps these stream tables from being refreshed by their schedules, and waits for such refreshes under way, until resume_scheduler. Refreshes by hand go on, and so do schedules of other tables. Returns OK; error 42P01 names a table that is not there';


create or replace function pgtrickle.resume_scheduler(nodes text[])
    returns text
    language plpgsql
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables;
begin
    for target in
        select f.* from pg_catalog.unnest(nodes) node, pgtrickle._find(node) f
    loop
        perform pgtrickle._check_owner(target);
        delete from pgtrickle.pgt_scheduler_pauses p where p.pgt_id operator(pg_catalog.=) target.pgt_id;
    end loop;
    return 'OK';
end
$$;
comment on function pgtrickle.resume_scheduler(text[]) is
    'Lets schedules of these stream tables go on that pause_scheduler held back; returns OK, also where they were not';


create or replace function pgtrickle._under_way()
    returns table (database oid, pid integer, pgt_id bigint)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- The locks of _refresh_scheduled.
    select l.database, l.pid, l.objid::bigint
    from pg_locks l
    where l.locktype = 'advisory'
      and l.classid = 1885829238
      and l.objsubid = 2
      and l.granted
$$;
comment on function pgtrickle._under_way() is 'Scheduled refreshes that go on at this moment in all databases of the server: the session, and the stream table''s id';


create or replace function pgtrickle._scheduler_pid(database oid)
    returns integer
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select min(l.pid)
    from pg_locks l
    where l.locktype = 'advisory'
      and l.database = $1
      and (l.classid, l.objid, l.objsubid) = (1885829237, 1, 2)
      and l.granted
$$;
comment on function pgtrickle._scheduler_pid(oid) is 'The session of the worker that leads in a database; null where none does';


create or replace function pgtrickle.parallel_job_status(max_age_seconds integer default 300)
    returns table (
        job_id bigint, unit_key text, unit_kind text, status text, member_count integer, attempt_no integer,
        scheduler_pid integer, worker_pid integer, enqueued_at timestamptz, started_at timestamptz, finished_at timestamptz,
        duration_ms double precision)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with here as (
        select d.oid as database, pgtrickle._scheduler_pid(d.oid) as scheduler
        from pg_database d
        where d.datname = current_database()
    ),
    done as (
        select r.refresh_id, r.status, r.start_time, r.end_time,
            pgtrickle._quoted(s.pgt_schema, s.pgt_name) as name,
            s.status = 'SUSPENDED' and s.last_error_at between r.start_time and r.end_time as given_up,
            row_number() over (partition by r.pgt_id, r.successes order by r.refresh_id) as attempt
        from (
            select a.*,
                count(*) filter (where a.status = 'COMPLETED')
                    over (partition by a.pgt_id order by a.refresh_id rows between unbounded preceding and 1 preceding) as successes
            from pgtrickle.pgt_refresh_history a
            where a.initiated_by = 'SCHEDULER'
              and a.status in ('COMPLETED', 'FAILED')
              and a.end_time > clock_timestamp() - make_interval(secs => max_age_seconds)
        ) r
        join pgtrickle.pgt_stream_tables s using (pgt_id)
    )
    select
        null::bigint,
        string_agg(pgtrickle._quoted(s.pgt_schema, s.pgt_name), ', ' order by s.pgt_id),
        case when count(*) > 1 then 'repeatable_read_group' else 'singleton' end,
        'RUNNING',
        count(*)::integer,
        max(s.consecutive_errors) + 1,
        h.scheduler,
        u.pid,
        null::timestamptz,
        a.xact_start,
        null::timestamptz,
        (1000 * extract(epoch from clock_timestamp() - a.xact_start))::double precision
    from here h
    join pgtrickle._under_way() u using (database)
    join pgtrickle.pgt_stream_tables s on mod(s.pgt_id, 2147483648) = u.pgt_id
    left join pg_stat_activity a on a.pid = u.pid
    group by h.scheduler, u.pid, a.xact_start
    union all
    (
        select
            d.refresh_id,
            d.name,
            'singleton',
            case when d.status = 'COMPLETED' then 'SUCCEEDED' when d.given_up then 'PERMANENT_FAILED' else 'RETRYABLE_FAILED' end,
            1,
            d.attempt::integer,
            h.scheduler,
            null,
            null,
            d.start_time,
            d.end_time,
            (1000 * extract(epoch from d.end_time - d.start_time))::double precision
        from here h
        cross join done d
        order by d.refresh_id desc
    )
$$;
comment on function pgtrickle.parallel_job_status(integer) is
    'Scheduled refreshes under way, several in one transaction as one (repeatable_read_group), then those that ended within so many seconds, one by one, newest first. job_id is the refresh_id, null while it runs; attempt_no counts from the last success within that time; PERMANENT_FAILED: the table was suspended for it. enqueued_at is null: nothing waits in a queue';


create or replace function pgtrickle.worker_allocation_status()
    returns table (
        db_name text, workers_used bigint, workers_quota bigint, workers_queued bigint, cluster_active bigint, cluster_max bigint)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with used as (
        select u.database, count(distinct u.pid) as used from pgtrickle._under_way() u group by u.database
    )
    select
        d.datname::text,
        coalesce(u.used, 0),
        null::bigint,
        case when d.datname = current_database() then (
            select count(*)
            from pgtrickle._schedulable() s
            where s.due_at <= clock_timestamp()
              and s.pgt_id not in (select w.pgt_id from pgtrickle._under_way() w where w.database = d.oid)) end,
        coalesce((select sum(t.used) from used t), 0)::bigint,
        null::bigint
    from pg_database d
    left join used u on u.database = d.oid
    where u.database is not null
       or d.datname = current_database()
    order by 1
$$;
comment on function pgtrickle.worker_allocation_status() is
    'How many scheduled refreshes go on at this moment in each database of the server; workers_queued: stream tables of this one that are due and not begun. Quota and maximum are options of each worker''s process, and null here';


create or replace function pgtrickle.cluster_worker_summary()
    returns table (
        db_oid bigint, db_name text, active_workers integer, scheduler_pid integer, scheduler_running boolean, total_active_workers integer)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        d.oid::bigint,
        d.datname::text,
        (select count(distinct u.pid) from pgtrickle._under_way() u where u.database = d.oid)::integer,
        w.pid,
        w.pid is not null,
        (select count(distinct u.pid) from pgtrickle._under_way() u)::integer
    from pg_database d
    cross join lateral (select pgtrickle._scheduler_pid(d.oid) as pid) w
    where w.pid is not null
       or d.datname = current_database()
    order by 2
$$;
comment on function pgtrickle.cluster_worker_summary() is
    'Databases of the server in which a worker leads, and this one: its session, and how many scheduled refreshes go on';


create or replace function pgtrickle.scheduler_overhead()
    returns table (
        total_refreshes_1h bigint, df_refreshes_1h bigint, df_refresh_fraction double precision, avg_refresh_ms double precision,
        avg_df_refresh_ms double precision, total_refresh_time_s double precision, df_refresh_time_s double precision)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        count(*),
        count(*) filter (where h.own),
        (count(*) filter (where h.own))::double precision / nullif(count(*), 0),
        1000 * avg(h.seconds),
        1000 * avg(h.seconds) filter (where h.own),
        coalesce(sum(h.seconds), 0),
        coalesce(sum(h.seconds) filter (where h.own), 0)
    from (
        select r.initiated_by is not distinct from 'SELF_MONITOR' as own,
            extract(epoch from r.end_time - r.start_time)::double precision as seconds
        from pgtrickle.pgt_refresh_history r
        where r.status = 'COMPLETED'
          and r.start_time > clock_timestamp() - interval '1 h'
    ) h
$$;
comment on function pgtrickle.scheduler_overhead() is
    'What refreshes of the last hour took. Columns df_* count those initiated_by SELF_MONITOR, of which this engine makes none: it measures itself by its history, not by stream tables';
