-- Copies of stream tables and back, and publications of them.

create or replace function pgtrickle._snapshot(target pgtrickle.pgt_stream_tables, snapshot_schema name, snapshot_table name)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    taken constant text := pgtrickle._quoted(snapshot_schema, snapshot_table);
    number bigint;
begin
    execute format('create table %s as table %s', taken, target.pgt_relid::regclass);
    get diagnostics number = row_count;
    execute format('comment on table %s is %L', taken,
        format('Snapshot of stream table %s', pgtrickle._quoted(target.pgt_schema, target.pgt_name)));
    insert into pgtrickle.pgt_snapshots (snapshot_schema, snapshot_table, pgt_id, row_count, frontier)
    select _snapshot.snapshot_schema, _snapshot.snapshot_table, target.pgt_id, number,
        jsonb_build_object('snapshot', f.snapshot::text, 'data_timestamp', target.data_timestamp)
    from pgtrickle.pgt_frontiers f
    where f.pgt_id = target.pgt_id
    on conflict (snapshot_schema, snapshot_table) do update
    set pgt_id = excluded.pgt_id,
        created_at = now(),
        row_count = excluded.row_count,
        frontier = excluded.frontier;
    return taken;
end
$$;
comment on function pgtrickle._snapshot(pgtrickle.pgt_stream_tables, name, name) is
    'snapshot_stream_table, called as the stream table''s owner';


create or replace function pgtrickle.snapshot_stream_table(p_name text, p_target text default null)
    returns text
    language plpgsql
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(p_name);
    wanted record;
begin
    if p_target is null then
        select target.pgt_schema as schema_name,
            pg_catalog.format('snapshot_%s_%s', (
                select pg_catalog.left(target.pgt_name, n)
                from pg_catalog.generate_series(20, 1, -1) n
                where pg_catalog.octet_length(pg_catalog.left(target.pgt_name, n)) <= 40
                limit 1),
                pg_catalog.floor(1000 operator(pg_catalog.*) extract(epoch from pg_catalog.clock_timestamp()))) as object_name
        into wanted;
    else
        wanted := pgtrickle._parse_name(p_target);
    end if;
    -- Row security of the stream table may run code of its owner's.
    return pgtrickle._as_owner(target, pg_catalog.format(
        'select pgtrickle._snapshot(pgtrickle._stream_table(%s), %L, %L)', target.pgt_id, wanted.schema_name, wanted.object_name));
end
$$;
comment on function pgtrickle.snapshot_stream_table(text, text) is
    'Copies what a stream table holds into a new table, by default snapshot_<name>_<milliseconds> beside it; returns the new table''s name';


create or replace function pgtrickle._restore_from(target pgtrickle.pgt_stream_tables, source oid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    frontier pgtrickle.pgt_frontiers;
    applied record;
begin
    frontier := pgtrickle._lock_frontier(target.pgt_id, true);
    applied := pgtrickle._apply(target,
        pgtrickle._recompute_sql(target.pgt_relid, format('select * from %s', source::regclass), null, '[]'),
        frontier);
    if not coalesce(applied.consistent, false) then
        raise exception using
            errcode = '40001',
            message = format('stream table %s was changed by somebody else meanwhile', pgtrickle._quoted(target.pgt_schema, target.pgt_name)),
            hint = 'Try again';
    end if;
    update pgtrickle.pgt_stream_tables s
    set needs_reinit = true,
        is_populated = true,
        updated_at = now()
    where s.pgt_id = target.pgt_id;
end
$$;
comment on function pgtrickle._restore_from(pgtrickle.pgt_stream_tables, oid) is
    'Gives a stream table the rows of a table with its columns, by difference; its next refresh recomputes it. Call it as its owner';


create or replace function pgtrickle.restore_from_snapshot(p_name text, p_source text)
    returns void
    language plpgsql
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(p_name);
    source constant oid := pgtrickle._source(p_source);
begin
    if not (
        select coalesce(pg_catalog.array_agg((c.name, c.declaration)::text order by c.position), '{}') from pgtrickle._probe_columns(source) c
    ) operator(pg_catalog.=) (
        select pg_catalog.array_agg((c.name, c.declaration)::text order by c.position) from pgtrickle._probe_columns(target.pgt_relid) c
    ) then
        raise exception using
            errcode = '42804',
            message = pg_catalog.format('%s does not have the columns of stream table %s', source::regclass, pgtrickle._quoted(target.pgt_schema, target.pgt_name));
    end if;
    perform pgtrickle._as_owner(target, pg_catalog.format(
        'select null::text from pgtrickle._restore_from(pgtrickle._stream_table(%s), %s)', target.pgt_id, source));
end
$$;
comment on function pgtrickle.restore_from_snapshot(text, text) is
    'Gives a stream table the rows of a snapshot, by difference. They stay until its next refresh, which recomputes it; pause_stream_table keeps them longer. Error 42804 where the columns differ';


create or replace function pgtrickle.list_snapshots(p_name text)
    returns table (snapshot_table text, created_at timestamptz, row_count bigint, frontier jsonb, size_bytes bigint)
    language plpgsql
    strict
as $$
#variable_conflict use_column
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(p_name);
begin
    return query
        select
            pgtrickle._quoted(n.snapshot_schema, n.snapshot_table),
            n.created_at,
            n.row_count,
            n.frontier,
            pg_catalog.pg_total_relation_size(pgtrickle._relation_oid(n.snapshot_schema, n.snapshot_table))
        from pgtrickle.pgt_snapshots n
        where n.pgt_id = target.pgt_id
          and pgtrickle._relation_oid(n.snapshot_schema, n.snapshot_table) is not null
        order by n.created_at desc, 1;
end
$$;
comment on function pgtrickle.list_snapshots(text) is 'Snapshots of a stream table that still stand, newest first';


create or replace function pgtrickle.drop_snapshot(p_snapshot_table text)
    returns void
    language plpgsql
as $$
declare
    wanted record := pgtrickle._parse_name(p_snapshot_table);
begin
    delete from pgtrickle.pgt_snapshots n
    where (n.snapshot_schema, n.snapshot_table) = (wanted.schema_name, wanted.object_name);
    if not found then
        raise exception using
            errcode = '42P01',
            message = pg_catalog.format('%I.%I is no snapshot of yours', wanted.schema_name, wanted.object_name);
    end if;
    execute pg_catalog.format('drop table if exists %I.%I', wanted.schema_name, wanted.object_name);
end
$$;
comment on function pgtrickle.drop_snapshot(text) is 'Drops a snapshot; error 42P01 for a table that is none';


create or replace function pgtrickle.stream_table_to_publication(name text)
    returns void
    language plpgsql
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
    publication constant text := ('pgt_pub_' || target.pgt_name)::name;  -- cut to 63 bytes
    former_role text;
begin
    if target.downstream_publication_name is not null then
        raise exception using
            errcode = '42710',
            message = pg_catalog.format('stream table %s is already published, as %I', pgtrickle._quoted(target.pgt_schema, target.pgt_name), target.downstream_publication_name);
    end if;
    former_role := pgtrickle._act_as_owner(target);
    execute pg_catalog.format('create publication %I for table %s', publication, target.pgt_relid::regclass);
    update pgtrickle.pgt_stream_tables s
    set downstream_publication_name = publication,
        updated_at = pg_catalog.now()
    where s.pgt_id = target.pgt_id;
    perform pgtrickle._act_again_as(former_role);
end
$$;
comment on function pgtrickle.stream_table_to_publication(text) is
    'Publishes a stream table for logical replication, as pgt_pub_<name>. Its owner needs CREATE on the database';


create or replace function pgtrickle.drop_stream_table_publication(name text)
    returns void
    language plpgsql
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
    former_role text;
begin
    if target.downstream_publication_name is null then
        raise exception using
            errcode = '42704',
            message = pg_catalog.format('stream table %s is not published', pgtrickle._quoted(target.pgt_schema, target.pgt_name));
    end if;
    former_role := pgtrickle._act_as_owner(target);
    execute pg_catalog.format('drop publication if exists %I', target.downstream_publication_name);
    update pgtrickle.pgt_stream_tables s
    set downstream_publication_name = null,
        updated_at = pg_catalog.now()
    where s.pgt_id = target.pgt_id;
    perform pgtrickle._act_again_as(former_role);
end
$$;
comment on function pgtrickle.drop_stream_table_publication(text) is 'Ends the publication that stream_table_to_publication made';
