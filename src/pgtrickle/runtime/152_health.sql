-- What is wrong, and what to do about it.

create or replace function pgtrickle._oldest_writer()
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- Locks tell it to everybody; who else has a session sees less of it.
    select coalesce(
        (select case when l.pid is null then ' (a prepared one: see pg_prepared_xacts)' else format(' (session %s)', l.pid) end
         from pg_locks l
         where l.locktype = 'transactionid'
           and l.granted
           and l.mode = 'ExclusiveLock'
           and l.pid is distinct from pg_backend_pid()
         order by age(l.transactionid) desc
         limit 1), '')
$$;
comment on function pgtrickle._oldest_writer() is 'Who has the oldest transaction under way that writes, for a message; empty where nobody has';


create or replace function pgtrickle.check_cdc_health()
    returns table (
        source_relid bigint, source_table text, cdc_mode text, slot_name text, lag_bytes bigint,
        confirmed_lsn text, alert text, selective_capture boolean)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        d.source_relid::bigint,
        d.source_table,
        d.cdc_mode,
        d.slot_name,
        lag.bytes,
        case when d.cdc_mode = 'WAL' then (select w.decoded_lsn from pgtrickle.pgt_wal_slot w) end::text,
        case
            when c.oid is null and k.cluster_id is not distinct from pgtrickle._cluster_id()
                then 'source_dropped: the next refresh looks for a relation of its name'
            when k.source_relid is null
                then 'capture_missing: nothing captures its changes; run pgtrickle.rebuild_cdc_triggers()'
            when k.cluster_id <> pgtrickle._cluster_id()
                then 'capture_foreign: the database was moved to another server; run pgtrickle.restore_stream_tables()'
            when k.cdc_mode = 'WAL' and k.triggers is distinct from pgtrickle._published(d.source_relid)
                then 'publication_changed: it was taken out of the publication pgtrickle, or that was altered; '
                    'the next refresh recomputes and mends it, or run pgtrickle.rebuild_cdc_triggers()'
            when k.triggers is distinct from pgtrickle._capture_fingerprint(d.source_relid)
                then 'capture_triggers_changed: dropped, disabled or replaced, or a partition has none; '
                    'the next refresh recomputes and mends them, or run pgtrickle.rebuild_cdc_triggers()'
            when k.cdc_mode = 'WAL' and r.slot_name is null
                then format('replication_slot_missing: %s; a worker makes it anew, and what reads the source recomputes', d.slot_name)
            when lag.bytes > 1048576 * coalesce(pgtrickle._setting('slot_lag_warning_threshold_mb')::numeric, 100)
                then format('slot_lag_exceeds_threshold: %s are kept for slot %s; is a worker running?', pg_size_pretty(lag.bytes), d.slot_name)
            when k.cdc_mode = 'WAL'
                and lag.kept > 1048576 * coalesce(pgtrickle._setting('slot_lag_warning_threshold_mb')::numeric, 100)
                and pgtrickle._oldest_writer() <> ''
                then format('slot_lag_held: a transaction that does not end%s has the server keep %s for slot %s, which is read again at each decoding; '
                    'what reads the source is refreshed the less often for it', pgtrickle._oldest_writer(), pg_size_pretty(lag.kept), d.slot_name)
            when k.cdc_mode = 'TRIGGER'
                and lower(pgtrickle._setting('alert_replica_writes')) not in ('off', 'false', 'no', '0')
                and not pgtrickle._fires_as_replica(d.source_relid)
                then format('replica_writes_missed: what is written under session_replication_role = replica is not captured; '
                    'have %I, who owns the source, run: select pgtrickle.capture_always(%L)', pg_get_userbyid(c.relowner), d.source_table)
            when k.obstacle is not null
                then format('not_read_from_wal: %s', k.obstacle)
        end,
        (select count(*) from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
            > cardinality(k.columns)
    from (
        select
            s.source_relid,
            min(pgtrickle._quoted(s.source_schema, s.source_name)) as source_table,
            max(s.cdc_mode) as cdc_mode,
            max(s.slot_name) as slot_name
        from pgtrickle.pgt_dependencies s
        where s.source_number is not null
        group by s.source_relid
    ) d
    left join pg_class c on c.oid = d.source_relid
    left join pgtrickle.pgt_captures k on k.source_relid = d.source_relid
    left join pg_replication_slots r on r.slot_name = d.slot_name
    left join lateral (
        select pg_wal_lsn_diff(reached, r.confirmed_flush_lsn)::bigint as bytes,
            pg_wal_lsn_diff(reached, r.restart_lsn)::bigint as kept
        from (select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end) w (reached)
    ) lag on d.slot_name is not null
    order by d.source_table
$$;
create or replace function pgtrickle.wal_source_status()
    returns table (
        source_relid bigint, source_name text, cdc_mode text, slot_name text, slot_lag_bytes bigint,
        publication_name text, blocked_reason text, transition_started_at text, decoder_confirmed_lsn text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        k.source_relid::bigint,
        k.source_relid::regclass::text,
        k.cdc_mode,
        case when k.cdc_mode = 'WAL' then w.slot_name end,
        case when k.cdc_mode = 'WAL' then w.lag_bytes end,
        case when k.cdc_mode = 'WAL' then 'pgtrickle' end,
        coalesce(k.obstacle, case when k.cdc_mode = 'WAL' and w.state <> 'ready' then w.state end),
        (select max(d.transition_started_at)::text from pgtrickle.pgt_dependencies d where d.source_relid = k.source_relid),
        case when k.cdc_mode = 'WAL' then (select s.decoded_lsn::text from pgtrickle.pgt_wal_slot s) end
    from pgtrickle.pgt_captures k
    cross join pgtrickle._wal_slot_state() w
    order by 2
$$;
comment on function pgtrickle.wal_source_status() is
    'One row per captured source: whether the log or triggers give its changes, and blocked_reason, why the log does not although that was asked for, with the statement that mends it';


create or replace function pgtrickle.slot_health()
    returns table (slot_name text, source_relid bigint, active boolean, retained_wal_bytes bigint, wal_status text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select r.slot_name::text, k.source_relid::bigint, r.active,
        pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, r.restart_lsn)::bigint,
        r.wal_status
    from pgtrickle._wal_slot_state() s
    join pg_replication_slots r on r.slot_name = s.slot_name
    join pgtrickle.pgt_captures k on k.cdc_mode = 'WAL'
    order by 2
$$;
comment on function pgtrickle.slot_health() is
    'The replication slot, once for each source read through it: whether it is being read, how much log the server keeps for it (a long transaction holds it back), and whether it still has all of it';


comment on function pgtrickle.check_cdc_health() is
    'One row per captured source. alert: what is wrong with its capture and how to mend it, the gravest alone; null when nothing is. selective_capture: some of its columns are not captured';


create or replace function pgtrickle._held_up()
    returns setof text
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select format('session %s of role %I keeps a worker waiting since %s: end its transaction, or select pg_terminate_backend(%1$s)',
        b.pid, holder.usename, date_trunc('second', w.waitstart))
    from pg_locks w
    join pg_stat_activity worker on worker.pid = w.pid
    cross join lateral unnest(pg_blocking_pids(w.pid)) b (pid)
    join pg_stat_activity holder on holder.pid = b.pid
    where not w.granted
      and w.waitstart < clock_timestamp() - interval '5 s'
      and worker.application_name = 'pgtrickle worker'
      and worker.datname = current_database()
    union
    select format('session %s of role %I leads the workers, and may refresh none of these stream tables: select pg_terminate_backend(%1$s)', l.pid, a.usename)
    from pg_locks l
    join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'advisory'
      and l.database = (select d.oid from pg_database d where d.datname = current_database())
      and (l.classid, l.objid, l.objsubid) = (1885829237, 1, 2)
      and l.granted
      and exists (select from pgtrickle.pgt_stream_tables)
      and not pgtrickle._may_hold_back(l.pid)
$$;
comment on function pgtrickle._held_up() is
    'Sessions for which a worker has been waiting for five seconds, and one that has taken the lead without being able to refresh anything, with the statement that ends it';


create or replace function pgtrickle._findings()
    returns table (check_name text, bad_severity text, bad text, good text)
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    with tables as (
        select s.*, pgtrickle._quoted(s.pgt_schema, s.pgt_name) as name, pgtrickle._is_overdue(s) as overdue
        from pgtrickle.pgt_stream_tables s
    )
    select 'scheduler_running', 'WARN',
        (select format('%s stream tables have a schedule and no worker is connected; start `pgtrickle worker`', count(*))
         from tables where schedule is not null having count(*) > 0 and not (select h.scheduler_running from pgtrickle.quick_health h)),
        case when (select h.scheduler_running from pgtrickle.quick_health h) then 'a worker is connected' else 'no stream table has a schedule' end
    union all
    select 'error_tables', 'ERROR',
        (select string_agg(format('%s: %s', name, coalesce(last_error_message, 'no message')), '; ' order by name) from tables where status = 'ERROR'),
        'no stream table is in ERROR'
    union all
    select 'suspended_tables', 'ERROR',
        (select string_agg(format('%s%s', name, case when fuse_state = 'blown' then ' (fuse blown: ' || blow_reason || ')' else '' end), '; ' order by name)
         from tables where status = 'SUSPENDED'),
        'no stream table is suspended'
    union all
    select 'stale_tables', 'WARN',
        (select string_agg(format('%s: last refreshed %s, schedule %s', name, date_trunc('second', last_refresh_at), schedule), '; ' order by name)
         from tables where overdue),
        'no stream table is older than its schedule and tier allow'
    union all
    select 'needs_reinit', 'WARN',
        (select string_agg(name, ', ' order by name) from tables where needs_reinit),
        'no stream table waits to be recomputed'
    union all
    select 'not_compiled', 'WARN',
        (select string_agg(t.name, ', ' order by t.name)
         from tables t join pgtrickle.pgt_plans p using (pgt_id)
         where p.plan_status = 'PENDING' and t.requested_refresh_mode <> 'FULL'),
        'every stream table is compiled'
    union all
    select 'consecutive_errors', 'WARN',
        (select string_agg(format('%s: %s in a row', name, consecutive_errors), '; ' order by name) from tables where consecutive_errors > 0),
        'the last refresh of every stream table succeeded'
    union all
    select 'buffer_growth', 'WARN',
        (select string_agg(format('%s holds %s rows of %s unconsumed', b.stream_table, b.pending_rows, b.source_table), '; ' order by b.stream_table)
         from pgtrickle.change_buffer_sizes() b
         where b.pending_rows > coalesce(pgtrickle._setting('max_buffer_rows')::bigint, 1000000)),
        'no stream table is far behind'
    union all
    select 'capture', 'ERROR',
        (select string_agg(format('%s: %s', c.source_table, c.alert), '; ') from pgtrickle.check_cdc_health() c
         where c.alert is not null and c.alert !~ '^(slot_lag|replica_writes|not_read_from_wal)'),
        'changes of every source are captured'
    union all
    select 'slot_lag', 'WARN',
        (select string_agg(format('%s: %s', c.source_table, c.alert), '; ') from pgtrickle.check_cdc_health() c where c.alert like 'slot_lag%'),
        'no replication slot lags'
    union all
    select 'replica_writes', 'WARN',
        (select string_agg(format('%s: %s', c.source_table, c.alert), '; ') from pgtrickle.check_cdc_health() c where c.alert like 'replica_writes%'),
        'whatever triggers capture they capture under session_replication_role = replica, too, or nobody is to be told'
    union all
    select 'wal_capture', 'WARN',
        (select string_agg(format('%s: %s', c.source_table, c.alert), '; ') from pgtrickle.check_cdc_health() c where c.alert like 'not_read_from_wal%'),
        'whatever asks for it is read from the log'
    union all
    select 'gated_sources', 'WARN',
        (select string_agg(format('%s since %s by %s', pgtrickle._quoted(g.source_schema, g.source_name), date_trunc('second', g.gated_at), g.gated_by), '; ')
         from pgtrickle.pgt_source_gates g where g.gated),
        'no source is gated'
    union all
    select 'held_up', 'WARN',
        (select string_agg(h, '; ' order by h) from pgtrickle._held_up() h),
        'no session keeps a worker waiting'
$$;
comment on function pgtrickle._findings() is 'What health_check looks at: for each check what is bad (null: nothing) and what to say otherwise';


create or replace function pgtrickle.health_check()
    returns table (check_name text, severity text, detail text)
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select f.check_name, case when f.bad is null then 'OK' else f.bad_severity end, coalesce(f.bad, f.good)
    from pgtrickle._findings() f
$$;
comment on function pgtrickle.health_check() is
    'One row per check: severity OK, WARN or ERROR, and which stream tables or sources are concerned. Sees what the caller may see';


create or replace function pgtrickle.health_summary()
    returns table (
        total_stream_tables integer, active_count integer, error_count integer, suspended_count integer, stale_count integer,
        reinit_pending integer, max_staleness_seconds double precision, scheduler_status text, cache_hit_rate double precision)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        count(*)::integer,
        count(*) filter (where s.status = 'ACTIVE')::integer,
        count(*) filter (where s.status = 'ERROR')::integer,
        count(*) filter (where s.status = 'SUSPENDED')::integer,
        count(*) filter (where pgtrickle._is_overdue(s))::integer,
        count(*) filter (where s.needs_reinit)::integer,
        max(extract(epoch from now() - s.data_timestamp))::double precision,
        case when (select h.scheduler_running from pgtrickle.quick_health h) then 'RUNNING' else 'STOPPED' end,
        null::double precision
    from pgtrickle.pgt_stream_tables s
$$;
comment on function pgtrickle.health_summary() is
    'One row that counts stream tables by state. max_staleness_seconds: age of the oldest data; cache_hit_rate is null, for this engine keeps no cache';


create or replace function pgtrickle.diagnose_errors(name text)
    returns table (event_time timestamptz, error_type text, error_message text, remediation text)
    language plpgsql
    strict
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
    quoted constant text := pg_catalog.quote_literal(pgtrickle._quoted(target.pgt_schema, target.pgt_name));
begin
    return query
        select
            h.start_time,
            k.kind,
            h.error_message,
            case k.kind
                when 'missing_object' then 'Bring back what the message names, or give the table another query: select pgtrickle.alter_stream_table(' || quoted || ', query => ...)'
                when 'permission' then 'Grant what the message names to ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(target.pgt_owner)) || ', as which the table is refreshed'
                when 'conflict' then 'Nothing: the next refresh tries again'
                when 'resources' then 'Free what the message names (disk, memory, connections); the next refresh tries again'
                when 'data' then 'The query itself fails on the data its sources have now: run it by hand, mend the rows or the query'
                when 'constraint' then 'A constraint or index on the stream table contradicts its query: drop it, or mend the rows of the sources'
                when 'state' then 'See what the message names; select pgtrickle.resume_stream_table(' || quoted || ') brings a suspended table back'
                when 'cancelled' then 'Raise statement_timeout for the refresh, or make the query cheaper; the next refresh tries again'
                else 'select pgtrickle.repair_stream_table(' || quoted || ')'
            end
        from pgtrickle.pgt_refresh_history h
        cross join lateral (
            select case
                when h.error_code in ('42P01', '42703', '42883', '42704', '3F000') then 'missing_object'
                when h.error_code in ('42501', '0LP01', '28000') then 'permission'
                when h.error_code like '40%' or h.error_code = '55P03' then 'conflict'
                when h.error_code = '57014' then 'cancelled'
                when pg_catalog.left(h.error_code, 2) in ('53', '54', '57', '58') then 'resources'
                when h.error_code like '22%' then 'data'
                when h.error_code like '23%' then 'constraint'
                when h.error_code like '55%' then 'state'
                else 'other' end as kind
        ) k
        where h.pgt_id = target.pgt_id
          and h.status = 'FAILED'
        order by h.refresh_id desc
        limit 5;
end
$$;
comment on function pgtrickle.diagnose_errors(text) is 'The last five failures of a stream table, newest first: what kind each is and what to do';


insert into pgtrickle.settings (name, value, unit, description)
values
    ('max_buffer_rows', '1000000', 'rows', 'Unconsumed changes above which health_check warns of a stream table that is far behind'),
    ('alert_replica_writes', 'on', null, 'Whether check_cdc_health tells of sources that belong to others than the owners of their stream tables, so that what is written under session_replication_role = replica is missed: on or off'),
    ('slot_lag_warning_threshold_mb', '100', 'MB', 'Lag of a replication slot above which check_cdc_health alerts')
on conflict (name) do update
    set unit = excluded.unit,
        description = excluded.description;
