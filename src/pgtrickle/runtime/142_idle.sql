-- Stream tables that are due and have nothing to do: found, and taken as refreshed, by one statement
-- for all of them. A thousand idle tables cost a worker next to nothing so.

create or replace function pgtrickle._idle(ids bigint[])
    returns bigint[]
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with cluster as materialized (
        select pgtrickle._cluster_id() as id
    ),
    candidate as materialized (
        select s.pgt_id
        from pgtrickle.pgt_stream_tables s
        join pgtrickle.pgt_frontiers f on f.pgt_id = s.pgt_id
        cross join cluster
        where s.pgt_id = any (ids)
          and s.status = 'ACTIVE'
          and s.refresh_mode = 'DIFFERENTIAL'
          and s.is_populated
          and not s.needs_reinit
          and s.consecutive_errors = 0
          and f.snapshot is not null
          and f.cluster_id = cluster.id
          and not exists (select from pgtrickle.pgt_source_gates g where g.gated)
          and not exists (select from pgtrickle.pgt_watermark_groups)
    ),
    -- Each source is looked at once, however many tables read it, and closely only where its buffer is empty.
    source as materialized (
        select q.source_relid, q.source_schema, q.source_name, pgtrickle._source_storage(q.source_relid) as storage
        from (
            select distinct d.source_relid, d.source_schema, d.source_name
            from candidate c
            join pgtrickle.pgt_dependencies d on d.pgt_id = c.pgt_id
            offset 0
        ) q
        join pgtrickle.pgt_captures k on k.source_relid = q.source_relid
        join pg_class r on r.oid = q.source_relid and r.relname = q.source_name
        join pg_namespace n on n.oid = r.relnamespace and n.nspname = q.source_schema
        where case when 0 = all (select pg_relation_size(to_regclass(b.buffer)) from pgtrickle._buffers(q.source_relid) b)
            then k.triggers = pgtrickle._capture_fingerprint(q.source_relid)
                and not pgtrickle._reads_wal(q.source_relid) end
    ),
    quiet as (
        select c.pgt_id
        from candidate c
        join pgtrickle.pgt_dependencies d on d.pgt_id = c.pgt_id
        left join source q
            on q.source_relid = d.source_relid
            and (q.source_schema, q.source_name) = (d.source_schema, d.source_name)
            and q.storage = d.source_storage
        group by c.pgt_id
        having bool_and(q.source_relid is not null and d.source_number is not null)
    )
    select coalesce(array_agg(q.pgt_id), '{}')
    from quiet q
    join pgtrickle.pgt_plans p on p.pgt_id = q.pgt_id
    where p.plan_status = 'COMPILED'
      and not p.plan -> 'deltas' ? 'time'
$$;
comment on function pgtrickle._idle(bigint[]) is
    'Those of the stream tables that a refresh would find unchanged: what they read is captured, untouched, and has empty change buffers. Views and what moves with time are not looked into, and so never idle';


create or replace function pgtrickle._pass_idle(except_ids bigint[])
    returns bigint[]
    language sql
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    -- A little early, so that those due one after another are soon due together.
    with soon as materialized (
        select array_agg(d.pgt_id) as ids
        from pgtrickle._schedulable() d
        join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
        where d.due_at - 0.1 * greatest(d.due_at - s.last_refresh_at, '0') <= clock_timestamp()
          and d.pgt_id <> all (except_ids)
    ),
    idle as materialized (
        select s.pgt_id
        from pgtrickle.pgt_stream_tables s
        where s.pgt_id = any ((select pgtrickle._idle(soon.ids) from soon)::bigint[])
        for no key update skip locked
    ),
    passed as (
        update pgtrickle.pgt_stream_tables s
        set last_refresh_at = clock_timestamp()
        from idle
        where s.pgt_id = idle.pgt_id
        returning s.pgt_id
    )
    select coalesce(array_agg(p.pgt_id), '{}') from passed p
$$;
comment on function pgtrickle._pass_idle(bigint[]) is
    'Takes the stream tables that are due, or soon will be, and idle as refreshed, all at once; which they were. No history is written. except_ids are left alone';
