-- What people look at: a line for each stream table, and what is wrong with how to mend it.

create or replace function pgtrickle._board()
    returns table (
        name text, status text, refresh_mode text, schedule text, last_refresh_at timestamptz, staleness interval,
        last_duration_ms double precision, row_estimate bigint, trend double precision, consecutive_errors integer, problem text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with recent as (
        -- Of refreshes that did something, the last forty of each table.
        select s.pgt_id, h.ms, h.number
        from pgtrickle.pgt_stream_tables s
        cross join lateral (
            select (1000 * extract(epoch from r.end_time - r.start_time))::double precision as ms,
                row_number() over (order by r.refresh_id desc) as number
            from (
                select l.refresh_id, l.start_time, l.end_time
                from pgtrickle.pgt_refresh_history l
                where l.pgt_id = s.pgt_id
                  and l.status = 'COMPLETED'
                  and l.action in ('FULL', 'DIFFERENTIAL', 'REINITIALIZE')
                order by l.refresh_id desc
                limit 40
            ) r
        ) h
    ),
    pace as (
        select r.pgt_id,
            max(r.ms) filter (where r.number = 1) as last_ms,
            percentile_cont(0.5) within group (order by r.ms) filter (where r.number <= 10)
                / nullif(percentile_cont(0.5) within group (order by r.ms) filter (where r.number > 10), 0) as trend
        from recent r
        group by r.pgt_id
    )
    select
        pgtrickle._quoted(s.pgt_schema, s.pgt_name),
        s.status,
        coalesce(s.effective_refresh_mode, s.refresh_mode),
        s.schedule,
        s.last_refresh_at,
        clock_timestamp() - s.last_refresh_at,
        p.last_ms,
        case when c.reltuples >= 0 then c.reltuples::bigint end,
        p.trend,
        s.consecutive_errors,
        coalesce(
            case when c.oid is null then 'its table was dropped' end,
            'the fuse is blown: ' || s.blow_reason,
            split_part(s.last_error_message, E'\n', 1),
            case when s.status = 'SUSPENDED' then 'suspended' end,
            pgtrickle._gated(s),
            pgtrickle._misaligned(s),
            case when pgtrickle._is_overdue(s) then 'older than its schedule' end,
            s.refresh_reason)
    from pgtrickle.pgt_stream_tables s
    left join pg_class c on c.oid = s.pgt_relid
    left join pace p on p.pgt_id = s.pgt_id
    order by 1
$$;
comment on function pgtrickle._board() is
    'A line for each stream table. trend: how long the last ten refreshes that did something took, against the thirty before them (medians); row_estimate is what the planner believes; problem: what keeps it from being as it should, or why it is recomputed';


create or replace function pgtrickle._doctor()
    returns table (check_name text, severity text, detail text, remedy text)
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select h.check_name, h.severity, h.detail, r.remedy
    from pgtrickle.health_check() h
    left join (values
        ('scheduler_running', 'Start `pgtrickle worker`, or have pg_cron say: call pgtrickle.run_due()'),
        ('error_tables', null),
        ('suspended_tables', 'When what was wrong is mended: select pgtrickle.resume_stream_table(''NAME''), or select pgtrickle.reset_fuse(''NAME'', ''apply'')'),
        ('stale_tables', 'See `pgtrickle history NAME`: where refreshes take longer than the schedule, lengthen it or give the worker more --jobs'),
        ('needs_reinit', 'The next refresh does it: `pgtrickle refresh NAME`'),
        ('not_compiled', '`pgtrickle worker --once` compiles them'),
        ('consecutive_errors', null),
        ('buffer_growth', 'Refresh them, or pause_stream_table and drop what nobody needs'),
        ('capture', 'select pgtrickle.rebuild_cdc_triggers()'),
        ('slot_lag', 'See that `pgtrickle worker` runs, and end the transaction that is named, if one is; max_slot_wal_keep_size bounds what the server keeps'),
        ('replica_writes', 'Run what the message says, and pgtrickle.repair_stream_table where such writes have been. Where there are none: update pgtrickle.settings set value = ''off'' where name = ''alert_replica_writes'''),
        ('wal_capture', 'Run what the message says; until then triggers capture'),
        ('gated_sources', 'When the load is done: select pgtrickle.ungate_source(''SOURCE'')')
    ) r (check_name, remedy) on r.check_name = h.check_name
    where h.check_name not in ('error_tables', 'consecutive_errors')
       or h.severity = 'OK'
    union all
    select 'failed_refresh', case s.status when 'ACTIVE' then 'WARN' else 'ERROR' end,
        format('%s: %s', pgtrickle._quoted(s.pgt_schema, s.pgt_name), split_part(d.error_message, E'\n', 1)), d.remediation
    from pgtrickle.pgt_stream_tables s
    cross join lateral (
        select e.error_message, e.remediation
        from pgtrickle.diagnose_errors(pgtrickle._quoted(s.pgt_schema, s.pgt_name)) e
        limit 1
    ) d
    where s.status = 'ERROR'
       or s.consecutive_errors > 0
    union all
    select 'wal_keep', case when t.wanted then 'WARN' else 'OK' end,
        case when t.wanted then 'the server keeps log for a replication slot without bound' else 'what the server keeps for a slot is bounded, or there is none' end,
        'alter system set max_slot_wal_keep_size = ''10GB''; select pg_reload_conf()'
    from (select exists (select from pgtrickle.pgt_wal_slot) and current_setting('max_slot_wal_keep_size') = '-1' as wanted) t
    union all
    select 'identity', 'WARN',
        format('capture of %s was made in another database or server', string_agg(k.source_relid::regclass::text, ', ')),
        'select pgtrickle.restore_stream_tables(), as a superuser'
    from pgtrickle.pgt_captures k
    where k.cluster_id <> pgtrickle._cluster_id()
    having count(*) > 0
$$;
comment on function pgtrickle._doctor() is 'health_check with what to do about each finding, and the last failure of each table that fails';
