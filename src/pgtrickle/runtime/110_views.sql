-- Views and functions that show state. Columns, their order and names are the contract's.

create or replace function pgtrickle.version()
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select v.version
    from pgtrickle.pgt_schema_version v
    order by v.applied_at desc, v.migration desc
    limit 1
$$;
comment on function pgtrickle.version() is 'Version of the runtime installed in this database';


create or replace function pgtrickle._is_stale(schedule text, last_refresh_at timestamptz)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select extract(epoch from now() - last_refresh_at) > pgtrickle.parse_duration_seconds(schedule)
$$;
comment on function pgtrickle._is_stale(text, timestamptz) is
    'Whether a refresh is overdue; null where the schedule is no duration or the table was never refreshed';


create or replace function pgtrickle._is_overdue(stream_table pgtrickle.pgt_stream_tables)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select stream_table.refresh_mode <> 'IMMEDIATE'
        and stream_table.refresh_tier <> 'frozen'
        and not exists (select from pgtrickle.pgt_scheduler_pauses p where p.pgt_id = stream_table.pgt_id)
        and coalesce(
            stream_table.last_refresh_at + interval '5 s' + make_interval(secs => least(
                pgtrickle.parse_duration_seconds(stream_table.schedule)
                    * case stream_table.refresh_tier when 'warm' then 2 when 'cold' then 10 else 1 end,
                0.9 * stream_table.freshness_deadline_ms / 1000)) < now(),
            exists (
                select from pgtrickle.pgt_cron_times c, unnest(c.due_times) moment
                where c.pgt_id = stream_table.pgt_id
                  and c.schedule = stream_table.schedule
                  and moment > stream_table.last_refresh_at
                  and moment + interval '5 s' < now()))
$$;
comment on function pgtrickle._is_overdue(pgtrickle.pgt_stream_tables) is
    'Whether a stream table should have been refreshed by its schedule and tier five seconds ago, and more: what is just due is being seen to. Never for what is held back on purpose';


create or replace view pgtrickle.pg_stat_stream_tables
    with (security_invoker = true)
as
select
    s.pgt_id,
    s.pgt_schema,
    s.pgt_name,
    s.status,
    s.refresh_mode,
    s.is_populated,
    s.data_timestamp,
    s.schedule,
    now() - s.last_refresh_at as staleness,
    pgtrickle._is_stale(s.schedule, s.last_refresh_at) as stale,
    s.consecutive_errors,
    s.needs_reinit,
    s.last_refresh_at,
    coalesce(h.total_refreshes, 0) as total_refreshes,
    coalesce(h.successful_refreshes, 0) as successful_refreshes,
    coalesce(h.failed_refreshes, 0) as failed_refreshes,
    coalesce(h.total_rows_inserted, 0) as total_rows_inserted,
    coalesce(h.total_rows_deleted, 0) as total_rows_deleted,
    h.avg_duration_ms,
    l.action as last_action,
    l.status as last_status,
    d.cdc_modes,
    s.scc_id,
    s.last_fixpoint_iterations,
    s.refresh_tier
from pgtrickle.pgt_stream_tables s
left join lateral (
    select
        count(*) as total_refreshes,
        count(*) filter (where r.status = 'COMPLETED') as successful_refreshes,
        count(*) filter (where r.status = 'FAILED') as failed_refreshes,
        sum(r.rows_inserted)::bigint as total_rows_inserted,
        sum(r.rows_deleted)::bigint as total_rows_deleted,
        (avg(1000 * extract(epoch from r.end_time - r.start_time)) filter (where r.end_time is not null))::double precision as avg_duration_ms
    from pgtrickle.pgt_refresh_history r
    where r.pgt_id = s.pgt_id
) h on true
left join lateral (
    select r.action, r.status
    from pgtrickle.pgt_refresh_history r
    where r.pgt_id = s.pgt_id
    order by r.refresh_id desc
    limit 1
) l on true
left join lateral (
    select array_agg(distinct d.cdc_mode order by d.cdc_mode) as cdc_modes
    from pgtrickle.pgt_dependencies d
    where d.pgt_id = s.pgt_id
      and d.source_number is not null
) d on true;
comment on view pgtrickle.pg_stat_stream_tables is 'Stream tables with statistics over their refreshes';
grant select on pgtrickle.pg_stat_stream_tables to public;


create or replace view pgtrickle.stream_tables_info
    with (security_invoker = true)
as
select
    s.*,
    now() - s.last_refresh_at as staleness,
    pgtrickle._is_stale(s.schedule, s.last_refresh_at) as stale,
    s.topk_limit is not null as is_topk
from pgtrickle.pgt_stream_tables s;
comment on view pgtrickle.stream_tables_info is 'All that the catalog knows of each stream table, with its staleness';
grant select on pgtrickle.stream_tables_info to public;


create or replace function pgtrickle._worker_alive()
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select
        from pg_locks l
        where l.locktype = 'advisory'
          and l.database = (select d.oid from pg_database d where d.datname = current_database())
          and (l.classid, l.objid, l.objsubid) = (1885829237, 1, 2)
          and l.granted)
$$;
comment on function pgtrickle._worker_alive() is
    'Whether a worker serves this database: it holds the session advisory lock (1885829237, 1)';


create or replace view pgtrickle.quick_health
    with (security_invoker = true)
as
select
    t.total_stream_tables,
    t.error_tables,
    t.stale_tables,
    pgtrickle._worker_alive() as scheduler_running,
    case
        when t.total_stream_tables = 0 then 'EMPTY'
        when t.suspended_tables > 0 then 'CRITICAL'
        when t.error_tables > 0 or t.stale_tables > 0 then 'WARNING'
        else 'OK'
    end as status
from (
    select
        count(*) as total_stream_tables,
        count(*) filter (where s.status = 'ERROR' or s.consecutive_errors > 0) as error_tables,
        count(*) filter (where pgtrickle._is_overdue(s)) as stale_tables,
        count(*) filter (where s.status = 'SUSPENDED') as suspended_tables
    from pgtrickle.pgt_stream_tables s
) t;
comment on view pgtrickle.quick_health is
    'One row: EMPTY, CRITICAL (a stream table is suspended), WARNING (one failed, or has not been refreshed as its schedule and tier say) or OK. scheduler_running: a worker serves this database';
grant select on pgtrickle.quick_health to public;


create or replace function pgtrickle.pgt_status()
    returns table (
        name text, status text, refresh_mode text, is_populated boolean, consecutive_errors integer,
        schedule text, data_timestamp timestamptz, staleness interval, scc_id integer)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        s.pgt_schema || '.' || s.pgt_name,
        s.status,
        s.refresh_mode,
        s.is_populated,
        s.consecutive_errors,
        s.schedule,
        s.data_timestamp,
        now() - s.data_timestamp,
        s.scc_id
    from pgtrickle.pgt_stream_tables s
    order by s.pgt_schema, s.pgt_name
$$;
comment on function pgtrickle.pgt_status() is 'One row per stream table; staleness is the age of its data';


create or replace function pgtrickle.get_refresh_history(name text, max_rows integer default 20)
    returns table (
        refresh_id bigint, data_timestamp timestamptz, start_time timestamptz, end_time timestamptz,
        action text, status text, rows_inserted bigint, rows_deleted bigint,
        duration_ms double precision, error_message text)
    language plpgsql
    strict
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
begin
    return query
        select
            r.refresh_id,
            r.data_timestamp,
            r.start_time,
            r.end_time,
            r.action,
            r.status,
            r.rows_inserted,
            r.rows_deleted,
            (1000 operator(pg_catalog.*) extract(epoch from r.end_time - r.start_time))::double precision,
            r.error_message
        from pgtrickle.pgt_refresh_history r
        where r.pgt_id = target.pgt_id
        order by r.refresh_id desc
        limit max_rows;
end
$$;
comment on function pgtrickle.get_refresh_history(text, integer) is 'Refreshes of a stream table, newest first';


create or replace function pgtrickle.get_staleness(name text)
    returns double precision
    language plpgsql
    strict
as $$
declare
    wanted record := pgtrickle._parse_name(name);
begin
    return pg_catalog.date_part('epoch', pg_catalog.now()
        - (pgtrickle._find_by_name(wanted.schema_name, wanted.object_name)).data_timestamp);
end
$$;
comment on function pgtrickle.get_staleness(text) is 'Age in seconds of a stream table''s data; null where it has none or does not exist';


create or replace function pgtrickle.explain_refresh_mode(name text)
    returns table (configured_mode text, effective_mode text, downgrade_reason text)
    language plpgsql
    strict
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
begin
    configured_mode := target.requested_refresh_mode;
    effective_mode := target.effective_refresh_mode;
    downgrade_reason := target.refresh_reason;
    return next;
end
$$;
comment on function pgtrickle.explain_refresh_mode(text) is
    'The mode asked for, the mode in use, and why the table is recomputed although that was not asked for';
