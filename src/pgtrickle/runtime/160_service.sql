-- The service as a whole: what it keeps to, who works, whether a database is ready for it.

create or replace function pgtrickle.sla_summary()
    returns table (
        stream_table text, p50_ms double precision, p99_ms double precision, freshness_lag_s double precision,
        error_rate double precision, error_budget_remaining double precision)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    select
        pgtrickle._quoted(s.pgt_schema, s.pgt_name),
        h.p50,
        h.p99,
        extract(epoch from clock_timestamp() - s.last_refresh_at)::double precision,
        h.failed,
        greatest(0.01 - h.failed, 0) / 0.01
    from pgtrickle.pgt_stream_tables s
    cross join lateral (
        select
            percentile_cont(0.5) within group (order by r.ms) as p50,
            percentile_cont(0.99) within group (order by r.ms) as p99,
            coalesce(avg((r.status = 'FAILED')::integer), 0)::double precision as failed
        from (
            select l.status, (1000 * extract(epoch from l.end_time - l.start_time))::double precision as ms
            from pgtrickle.pgt_refresh_history l
            where l.pgt_id = s.pgt_id
              and l.status in ('COMPLETED', 'FAILED')
              and l.start_time > now() - interval '1 d'
        ) r
    ) h
    order by 1
$$;
comment on function pgtrickle.sla_summary() is
    'What each stream table kept to over the last day: duration of its refreshes, seconds since the last, share that failed, and what is left of a budget of one failure in a hundred (1 all, 0 none)';


create or replace function pgtrickle.worker_pool_status()
    returns table (
        active_workers integer, max_workers integer, per_db_cap integer, parallel_mode text, idle_workers integer,
        last_scheduler_tick_unix bigint, ring_overflow_count bigint, citus_failure_total bigint)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        (select count(*) from pg_locks l
         where l.locktype = 'advisory'
           and l.database = d.oid
           and (l.classid, l.objid, l.objsubid) = (1885829237, 4, 2)
           and l.granted)::integer,
        null::integer,
        null::integer,
        case when pgtrickle._worker_alive() then 'on' else 'off' end,
        null::integer,
        (select extract(epoch from max(s.last_refresh_at))::bigint from pgtrickle.pgt_stream_tables s),
        0::bigint,
        0::bigint
    from pg_database d
    where d.datname = current_database()
$$;
comment on function pgtrickle.worker_pool_status() is
    'How many scheduled refreshes go on at this moment, and when the last one was; parallel_mode is on while a worker leads. Limits are options of the worker''s process, and null here';


create or replace function pgtrickle.version_check()
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select format('portable engine %s, PostgreSQL %s%s', pgtrickle.version(), current_setting('server_version'),
        case when current_setting('server_version_num')::integer < 150000 then ', which is too old: 15 is needed' else '' end)
$$;
comment on function pgtrickle.version_check() is 'Which engine this is, in which version, on which server';


create or replace function pgtrickle.preflight()
    returns text
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select jsonb_pretty(jsonb_build_object(
        'version', pgtrickle.version_check(),
        'may_create_stream_tables', has_schema_privilege('pgtrickle', 'USAGE'),
        'worker_running', pgtrickle._worker_alive(),
        'wal_level', current_setting('wal_level'),
        'may_read_wal', (select r.rolsuper or r.rolreplication from pg_roles r where r.rolname = session_user),
        'free_replication_slots', current_setting('max_replication_slots')::integer - (select count(*) from pg_replication_slots),
        'problems', (select coalesce(jsonb_object_agg(h.check_name, h.detail), '{}') from pgtrickle.health_check() h where h.severity <> 'OK')))
$$;
comment on function pgtrickle.preflight() is
    'What this database and role can do, and what health_check finds wrong, as JSON';
