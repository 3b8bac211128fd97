-- What refreshes did and cost, from the history.

create or replace function pgtrickle.refresh_timeline(max_rows integer default 50)
    returns table (
        start_time timestamptz, stream_table text, action text, status text,
        rows_inserted bigint, rows_deleted bigint, duration_ms double precision, error_message text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        h.start_time,
        pgtrickle._quoted(s.pgt_schema, s.pgt_name),
        h.action,
        h.status,
        h.rows_inserted,
        h.rows_deleted,
        (1000 * extract(epoch from h.end_time - h.start_time))::double precision,
        h.error_message
    from pgtrickle.pgt_refresh_history h
    join pgtrickle.pgt_stream_tables s using (pgt_id)
    order by h.refresh_id desc
    limit max_rows
$$;
comment on function pgtrickle.refresh_timeline(integer) is 'Refreshes of all stream tables, newest first';


create or replace function pgtrickle.st_refresh_stats()
    returns table (
        pgt_name text, pgt_schema text, status text, refresh_mode text, is_populated boolean,
        total_refreshes bigint, successful_refreshes bigint, failed_refreshes bigint,
        total_rows_inserted bigint, total_rows_deleted bigint, avg_duration_ms double precision,
        last_refresh_action text, last_refresh_status text, last_refresh_at timestamptz,
        staleness_secs double precision, stale boolean, consecutive_errors integer, schedule text,
        refresh_tier text, last_error_message text, downstream_publication text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        v.pgt_name, v.pgt_schema, v.status, v.refresh_mode, v.is_populated,
        v.total_refreshes, v.successful_refreshes, v.failed_refreshes,
        v.total_rows_inserted, v.total_rows_deleted, v.avg_duration_ms,
        v.last_action, v.last_status, v.last_refresh_at,
        extract(epoch from v.staleness)::double precision, v.stale, v.consecutive_errors, v.schedule,
        v.refresh_tier, s.last_error_message, s.downstream_publication_name
    from pgtrickle.pg_stat_stream_tables v
    join pgtrickle.pgt_stream_tables s using (pgt_id)
    order by v.pgt_schema, v.pgt_name
$$;
comment on function pgtrickle.st_refresh_stats() is 'One row per stream table: its refreshes added up, the last one, and its state';


create or replace function pgtrickle.pgtrickle_refresh_stats()
    returns table (
        stream_table text, mode text, avg_ms double precision, p95_ms double precision, p99_ms double precision,
        refresh_count bigint, last_refresh_at timestamptz)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        pgtrickle._quoted(s.pgt_schema, s.pgt_name),
        h.action,
        avg(h.ms),
        percentile_cont(0.95) within group (order by h.ms),
        percentile_cont(0.99) within group (order by h.ms),
        count(*),
        max(h.start_time)
    from (
        select r.pgt_id, r.action, r.start_time, (1000 * extract(epoch from r.end_time - r.start_time))::double precision as ms
        from pgtrickle.pgt_refresh_history r
        where r.status = 'COMPLETED'
    ) h
    join pgtrickle.pgt_stream_tables s using (pgt_id)
    group by s.pgt_id, s.pgt_schema, s.pgt_name, h.action
    order by 1, 2
$$;
comment on function pgtrickle.pgtrickle_refresh_stats() is
    'How long completed refreshes took, by stream table and what they did (mode: NO_DATA, DIFFERENTIAL, FULL, REINITIALIZE)';


create or replace function pgtrickle.metrics_summary()
    returns table (
        db_name text, total_stream_tables bigint, active_stream_tables bigint, suspended_stream_tables bigint,
        total_refreshes bigint, successful_refreshes bigint, failed_refreshes bigint, total_rows_processed bigint,
        active_workers integer, ivm_lock_parse_error_count bigint)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select current_database()::text, t.*, h.*,
        (select count(*) from pg_stat_activity a where a.datname = current_database() and a.application_name like 'pgtrickle worker%')::integer,
        0::bigint
    from (
        select count(*), count(*) filter (where s.status = 'ACTIVE'), count(*) filter (where s.status = 'SUSPENDED')
        from pgtrickle.pgt_stream_tables s
    ) t
    cross join (
        select count(*), count(*) filter (where r.status = 'COMPLETED'), count(*) filter (where r.status = 'FAILED'),
            coalesce(sum(r.rows_inserted + r.rows_deleted), 0)::bigint
        from pgtrickle.pgt_refresh_history r
    ) h
$$;
comment on function pgtrickle.metrics_summary() is
    'One row of counts for this database. Refreshes are those the history still holds; ivm_lock_parse_error_count is always 0 here';


create or replace function pgtrickle.st_auto_threshold(name text)
    returns double precision
    language plpgsql
    strict
as $$
begin
    return pgtrickle._change_ratio(pgtrickle._find(name));
end
$$;
comment on function pgtrickle.st_auto_threshold(text) is
    'Share of changed source rows above which AUTO recomputes, as long as the table''s own history says nothing better';


create or replace function pgtrickle._costs()
    returns table (
        pgt_id bigint, total_refreshes bigint, diff_count bigint, full_count bigint,
        avg_diff_ms double precision, avg_full_ms double precision, avg_change_ratio double precision)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        s.pgt_id,
        coalesce(h.total, 0),
        coalesce(h.diffs, 0),
        coalesce(h.fulls, 0),
        h.diff_ms,
        h.full_ms,
        h.delta_rows / nullif(r.rows, 0)
    from pgtrickle.pgt_stream_tables s
    left join lateral (
        select
            count(*) as total,
            count(*) filter (where i.action = 'DIFFERENTIAL') as diffs,
            count(*) filter (where i.action in ('FULL', 'REINITIALIZE')) as fulls,
            avg(i.ms) filter (where i.action = 'DIFFERENTIAL') as diff_ms,
            avg(i.ms) filter (where i.action in ('FULL', 'REINITIALIZE')) as full_ms,
            (avg(i.delta_row_count) filter (where i.action = 'DIFFERENTIAL'))::double precision as delta_rows
        from (
            select f.action, f.delta_row_count, (1000 * extract(epoch from f.end_time - f.start_time))::double precision as ms
            from pgtrickle.pgt_refresh_history f
            where f.pgt_id = s.pgt_id
              and f.status = 'COMPLETED'
        ) i
    ) h on true
    left join lateral (
        select sum(c.reltuples)::double precision as rows
        from pgtrickle.pgt_dependencies d
        cross join lateral pgtrickle._members(d.source_relid) member
        join pg_class c on c.oid = member and c.relkind = 'r' and c.reltuples > 0
        where d.pgt_id = s.pgt_id
          and d.source_number is not null
          and exists (select from pg_class k where k.oid = d.source_relid)
    ) r on true
$$;
comment on function pgtrickle._costs() is
    'Per stream table what differential and full refreshes cost on average, and the share of its sources'' rows that a differential one consumed';


create or replace function pgtrickle.refresh_efficiency()
    returns table (
        pgt_schema text, pgt_name text, refresh_mode text, total_refreshes bigint, diff_count bigint, full_count bigint,
        avg_diff_ms double precision, avg_full_ms double precision, avg_change_ratio double precision,
        diff_speedup text, last_refresh_at text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        s.pgt_schema, s.pgt_name, s.refresh_mode, c.total_refreshes, c.diff_count, c.full_count,
        c.avg_diff_ms, c.avg_full_ms, c.avg_change_ratio,
        round((c.avg_full_ms / nullif(c.avg_diff_ms, 0))::numeric, 1) || 'x',
        s.last_refresh_at::text
    from pgtrickle._costs() c
    join pgtrickle.pgt_stream_tables s using (pgt_id)
    order by s.pgt_schema, s.pgt_name
$$;
comment on function pgtrickle.refresh_efficiency() is
    'What differential refreshes gain over full ones, per stream table; diff_speedup 12.5x: a differential refresh took a 12.5th of a full one';


create or replace function pgtrickle.recommend_refresh_mode(st_name text default null)
    returns table (
        pgt_schema text, pgt_name text, current_mode text, effective_mode text, recommended_mode text,
        confidence text, reason text, signals jsonb)
    language plpgsql
as $$
declare
    wanted bigint := case when st_name is not null then (pgtrickle._find(st_name)).pgt_id end;
begin
    return query
        select
            s.pgt_schema, s.pgt_name, s.requested_refresh_mode, s.effective_refresh_mode,
            r.mode, r.confidence, r.reason,
            pg_catalog.jsonb_build_object(
                'diff_count', c.diff_count, 'full_count', c.full_count, 'avg_diff_ms', c.avg_diff_ms,
                'avg_full_ms', c.avg_full_ms, 'avg_change_ratio', c.avg_change_ratio, 'plan', p.plan ->> 'mode'::text)
        from pgtrickle._costs() c
        join pgtrickle.pgt_stream_tables s using (pgt_id)
        join pgtrickle.pgt_plans p using (pgt_id)
        cross join lateral (
            select
                case
                    when s.requested_refresh_mode = 'AUTO' or s.requested_refresh_mode = 'IMMEDIATE' then
                        array['KEEP', 'high', case s.requested_refresh_mode
                            when 'AUTO' then coalesce('it is recomputed: ' || s.refresh_reason, 'AUTO decides at every refresh')
                            else 'IMMEDIATE is asked for because readers need it, not because it is cheap' end]
                    when s.requested_refresh_mode = 'FULL' then
                        case when p.plan ->> 'mode'::text = 'FULL' and p.plan ->> 'reason'::text is not null
                            then array['KEEP', 'high', 'the query cannot be maintained incrementally: ' || (p.plan ->> 'reason'::text)]
                            when coalesce(c.avg_full_ms, 0) < 50
                            then array['KEEP', 'medium', 'recomputing takes less than 50 ms']
                            else array['DIFFERENTIAL', 'low', pg_catalog.format('recomputing takes %s ms; AUTO would tell whether changes are cheaper', pg_catalog.round(c.avg_full_ms))]
                        end
                    when s.effective_refresh_mode = 'FULL' then
                        array['KEEP', 'high', 'it is recomputed: ' || coalesce(s.refresh_reason, 'no plan yet')]
                    when c.diff_count < 3 or c.full_count = 0 then
                        array['KEEP', 'low', 'too few refreshes to tell']
                    when c.avg_diff_ms operator(pg_catalog.>) (1.2 operator(pg_catalog.*) c.avg_full_ms) then
                        array['FULL', case when c.diff_count >= 20 then 'high' else 'medium' end,
                            pg_catalog.format('differential refreshes take %s ms, recomputing %s ms', pg_catalog.round(c.avg_diff_ms), pg_catalog.round(c.avg_full_ms))]
                    else
                        array['KEEP', case when c.diff_count >= 20 then 'high' else 'medium' end,
                            pg_catalog.format('differential refreshes take %s ms, recomputing %s ms',
                                pg_catalog.round(c.avg_diff_ms::numeric, 1), pg_catalog.round(c.avg_full_ms::numeric, 1))]
                end as said
        ) d
        cross join lateral (select d.said[1] as mode, d.said[2] as confidence, d.said[3] as reason) r
        where wanted is null or s.pgt_id = wanted
        order by s.pgt_schema, s.pgt_name;
end
$$;
comment on function pgtrickle.recommend_refresh_mode(text) is
    'Whether another refresh mode would be cheaper, from what refreshes took: FULL, DIFFERENTIAL or KEEP, with confidence low, medium or high; for one stream table or all';


create or replace function pgtrickle.shared_buffer_stats()
    returns table (
        source_oid bigint, source_table text, consumer_count integer, consumers text, columns_tracked integer,
        safe_frontier_lsn text, buffer_rows bigint, is_partitioned boolean)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    is_partitioned := false;
    for source_oid, source_table, consumer_count, consumers, columns_tracked, safe_frontier_lsn in
        select
            k.source_relid::bigint,
            coalesce(min(case when d.pgt_id is not null then pgtrickle._quoted(d.source_schema, d.source_name) end), k.source_relid::regclass::text),
            count(s.pgt_id)::integer,
            coalesce(string_agg(case when s.pgt_id is not null then pgtrickle._quoted(s.pgt_schema, s.pgt_name) end, ', ' order by s.pgt_schema, s.pgt_name), ''),
            cardinality(k.columns),
            min(d.decoder_confirmed_lsn)::text
        from pgtrickle.pgt_captures k
        left join pgtrickle.pgt_dependencies d on d.source_relid = k.source_relid and d.source_number is not null
        left join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
        group by k.source_relid
        order by 2
    loop
        buffer_rows := null;
        begin
            if has_column_privilege(to_regclass(format('pgtrickle_changes.changes_%s_0', source_oid)), '__pgt_xid', 'SELECT') then
                execute (select 'select ' || string_agg(format('(select count(*) from %s)', b.buffer), ' + ') from pgtrickle._buffers(source_oid::oid) b)
                into buffer_rows;
            end if;
        exception when undefined_table then
            continue;  -- dropped meanwhile
        end;
        return next;
    end loop;
end
$$;
comment on function pgtrickle.shared_buffer_stats() is
    'Change buffers and who shares them. buffer_rows: rows not purged yet, null where the caller may not read them; safe_frontier_lsn is null where triggers capture';


create or replace view pgtrickle.pgt_cdc_status
    with (security_invoker = true)
as
select
    s.pgt_schema,
    s.pgt_name,
    d.source_relid,
    d.source_name,
    d.source_schema,
    d.cdc_mode,
    d.slot_name,
    case when d.cdc_mode = 'WAL' then (select w.decoded_lsn from pgtrickle.pgt_wal_slot w) end as decoder_confirmed_lsn,
    d.transition_started_at
from pgtrickle.pgt_dependencies d
join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
where d.source_type = 'TABLE'
  and d.source_number is not null;
comment on view pgtrickle.pgt_cdc_status is 'How changes of each table are captured for each stream table that consumes them';
grant select on pgtrickle.pgt_cdc_status to public;


create or replace function pgtrickle.diamond_groups()
    returns table (
        group_id integer, member_name text, member_schema text, is_convergence boolean, epoch bigint, schedule_policy text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
    set enable_nestloop = off  -- the planner expects few rows of each CTE, and would compare each with each
as $$
    with recursive relation as materialized (
        select d.pgt_id, coalesce(u.pgt_id, -(d.source_relid::bigint)) as upstream
        from pgtrickle.pgt_dependencies d
        left join pgtrickle.pgt_stream_tables u on u.pgt_relid = d.source_relid
        where d.source_type <> 'VIEW'
    ),
    -- Tables that are no stream tables are negative: two ways into a table lead through at least one that is.
    branch as materialized (
        select r.pgt_id as convergence, r.upstream
        from relation r
        join (select c.pgt_id from relation c group by c.pgt_id having count(*) > 1 and bool_or(c.upstream > 0)) several
            on several.pgt_id = r.pgt_id
    ),
    concerned (node) as (
        select b.convergence from branch b
        union
        select r.upstream from concerned c join relation r on r.pgt_id = c.node
    ),
    -- Who is above whom at any depth, himself included.
    above (node, ancestor) as (
        select c.node, c.node from concerned c
        union
        select a.node, r.upstream from above a join relation r on r.pgt_id = a.ancestor
    ),
    -- Two different ways from a common ancestor to one table.
    shared as materialized (
        select b.convergence, a.ancestor
        from branch b
        join above a on a.node = b.upstream
        group by b.convergence, a.ancestor
        having count(*) > 1
    ),
    member as materialized (
        select distinct s.convergence, m.ancestor as pgt_id
        from shared s
        join above m on m.node = s.convergence and m.ancestor > 0
        join above o on o.node = m.ancestor and o.ancestor = s.ancestor
        where m.ancestor <> s.ancestor
    ),
    -- Diamonds that share a member are one group, named for its first member.
    reached (pgt_id, other) as (
        select m.pgt_id, m.pgt_id from member m
        union
        select r.pgt_id, b.pgt_id
        from reached r
        join member a on a.pgt_id = r.other
        join member b on b.convergence = a.convergence
    ),
    grouped as (
        select r.pgt_id, min(r.other) as first from reached r group by r.pgt_id
    )
    select
        (dense_rank() over (order by g.first))::integer,
        s.pgt_name,
        s.pgt_schema,
        exists (select from shared c where c.convergence = g.pgt_id),
        0::bigint,
        s.diamond_schedule_policy
    from grouped g
    join pgtrickle.pgt_stream_tables s on s.pgt_id = g.pgt_id
    order by 1, 4, 3, 2
$$;
comment on function pgtrickle.diamond_groups() is
    'Stream tables on two different ways from one source to one table, which is the convergence. Diamonds that share a member are one group';
