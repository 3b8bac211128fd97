-- What reads what, and what capture consists of.

create or replace function pgtrickle.list_sources(name text)
    returns table (source_table text, source_oid bigint, source_type text, cdc_mode text, columns_used text)
    language plpgsql
    strict
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
begin
    return query
        select
            pgtrickle._quoted(d.source_schema, d.source_name),
            d.source_relid::bigint,
            d.source_type,
            case when d.source_number is not null then d.cdc_mode else 'NONE' end,
            (select pg_catalog.string_agg(pg_catalog.quote_ident(c), ', ' order by number)
             from pg_catalog.unnest(d.columns_used) with ordinality u (c, number))
        from pgtrickle.pgt_dependencies d
        where d.pgt_id = target.pgt_id
        order by 1;
end
$$;
comment on function pgtrickle.list_sources(text) is
    'What a stream table reads, directly and through views. cdc_mode NONE: its changes are not captured for this table';


create or replace function pgtrickle.stream_table_lineage(name text)
    returns table (output_col text, source_table text, source_col text)
    language plpgsql
    stable
    strict
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
begin
    return query
        select a.attname::text, l.source_table, l.source_col
        from pg_catalog.pg_attribute a
        left join (
            select e.item ->> 'output'::text as output_col, e.item ->> 'column'::text as source_col,
                pgtrickle._quoted(d.source_schema, d.source_name) as source_table
            from pgtrickle.pgt_plans p
            cross join pg_catalog.jsonb_array_elements(p.plan -> 'lineage'::text) e (item)
            join pgtrickle.pgt_dependencies d on d.pgt_id = p.pgt_id and d.source_number = (e.item ->> 'source'::text)::integer
            where p.pgt_id = target.pgt_id
              and p.plan_status = 'COMPILED'
        ) l on l.output_col = a.attname
        where a.attrelid = target.pgt_relid
          and a.attnum > 0
          and not a.attisdropped
        order by a.attnum, l.source_table, l.source_col;
end
$$;
comment on function pgtrickle.stream_table_lineage(text) is
    'Which columns of which tables a stream table''s columns are computed from, views seen through; conditions do not count. One row with nulls for a column that comes from none (a constant, count(*)), and for all where the query is not maintained incrementally';


create or replace function pgtrickle.change_buffer_sizes()
    returns table (stream_table text, source_table text, source_oid bigint, cdc_mode text, pending_rows bigint, buffer_bytes bigint)
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select
        pgtrickle._quoted(s.pgt_schema, s.pgt_name),
        pgtrickle._quoted(d.source_schema, d.source_name),
        d.source_relid::bigint,
        d.cdc_mode,
        c.pending,
        (select coalesce(sum(pg_total_relation_size(to_regclass(b.buffer))), 0)::bigint from pgtrickle._buffers(d.source_relid) b)
    from pgtrickle.pgt_stream_tables s
    join pgtrickle.pgt_dependencies d on d.pgt_id = s.pgt_id and d.source_number is not null
    left join lateral pgtrickle._pending_changes(case when pg_has_role(s.pgt_owner, 'USAGE') then s.pgt_id end) c
        on c.source_relid = d.source_relid
    order by 1, 2
$$;
comment on function pgtrickle.change_buffer_sizes() is
    'Change buffers by stream table and source. pending_rows: not consumed by that table yet, null where it is somebody else''s or was never filled. Tables that share a source share its buffer';


create or replace function pgtrickle.trigger_inventory()
    returns table (source_table text, source_oid bigint, trigger_name text, trigger_type text, present boolean, enabled boolean)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        pgtrickle._quoted(n.nspname, c.relname),
        c.oid::bigint,
        'pgtrickle_capture_' || event,
        'AFTER ' || upper(event) || ' STATEMENT',
        t.oid is not null,
        coalesce(t.tgenabled in ('O', 'A'), false)
    from (select distinct d.source_relid from pgtrickle.pgt_dependencies d where d.source_number is not null) d
    cross join lateral pgtrickle._members(d.source_relid) member
    cross join unnest(array['insert', 'update', 'delete', 'truncate']) with ordinality e (event, number)
    join pg_class c on c.oid = member
    join pg_namespace n on n.oid = c.relnamespace
    left join pg_trigger t
        on t.tgrelid = member
        and t.tgname = 'pgtrickle_capture_' || event
        and t.tgfoid = to_regproc(format('pgtrickle_changes.capture_%s', d.source_relid))
    order by 1, e.number
$$;
comment on function pgtrickle.trigger_inventory() is
    'Capture triggers that captured sources, and all their partitions, should have, and whether they are there and enabled';


create or replace function pgtrickle._children(relation oid)
    returns table (relid oid, name text, node_type text, pgt_id bigint)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with dependency as (
        select d.source_relid, d.source_schema, d.source_name, d.source_type
        from pgtrickle.pgt_dependencies d
        join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
        where s.pgt_relid = relation
    ),
    -- What is under a view stands there, not under the stream table again.
    direct as (
        select * from dependency
        where source_relid not in (
            select t.relid
            from dependency v
            cross join lateral pgtrickle._tree_relations(v.source_relid) t
            where v.source_type = 'VIEW')
        union
        select c.oid, n.nspname, c.relname, case c.relkind when 'v' then 'VIEW' when 'm' then 'MATVIEW' when 'f' then 'FOREIGN_TABLE' else 'TABLE' end
        from pgtrickle._tree_relations(relation) t
        join pg_class c on c.oid = t.relid
        join pg_namespace n on n.oid = c.relnamespace
        where exists (select from pg_class v where v.oid = relation and v.relkind = 'v')
    )
    select
        d.source_relid,
        pgtrickle._quoted(d.source_schema, d.source_name),
        case when s.pgt_id is not null then 'stream_table' else case d.source_type
            when 'VIEW' then 'view'
            when 'MATVIEW' then 'materialized_view'
            when 'FOREIGN_TABLE' then 'foreign_table'
            else 'source_table' end end,
        s.pgt_id
    from direct d
    left join pgtrickle.pgt_stream_tables s on s.pgt_relid = d.source_relid
$$;
comment on function pgtrickle._children(oid) is 'What a stream table or a view reads directly';


create or replace function pgtrickle._tree_under(relation oid, prefix text, p_depth integer, path oid[])
    returns table (tree_line text, node text, node_type text, depth integer, pgt_id bigint)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    child record;
begin
    for child in
        select c.*, row_number() over (order by c.name) = count(*) over () as is_last
        from pgtrickle._children(relation) c
        where c.relid <> all (path)
        order by c.name
    loop
        return query
            select prefix || case when child.is_last then '`-- ' else '|-- ' end || child.name
                    || case child.node_type when 'stream_table' then '' else ' (' || replace(child.node_type, '_', ' ') || ')' end,
                child.name, child.node_type, p_depth, child.pgt_id;
        return query
            select *
            from pgtrickle._tree_under(child.relid,
                prefix || case when child.is_last then '    ' else '|   ' end, p_depth + 1, path || child.relid);
    end loop;
end
$$;
comment on function pgtrickle._tree_under(oid, text, integer, oid[]) is 'Lines of the dependency tree below a relation';


create or replace function pgtrickle.dependency_tree()
    returns table (tree_line text, node text, node_type text, depth integer, status text, refresh_mode text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with root as (
        select s.pgt_relid, pgtrickle._quoted(s.pgt_schema, s.pgt_name) as name, s.pgt_id
        from pgtrickle.pgt_stream_tables s
        where s.pgt_id not in (select r.upstream_id from pgtrickle._reads() r)
    )
    select l.tree_line, l.node, l.node_type, l.depth, s.status, coalesce(s.effective_refresh_mode, s.refresh_mode)
    from (
        select r.name as root, 0::bigint as number, r.name as tree_line, r.name as node, 'stream_table' as node_type, 0 as depth, r.pgt_id
        from root r
        union all
        select r.name, t.number, t.tree_line, t.node, t.node_type, t.depth, t.pgt_id
        from root r
        cross join lateral pgtrickle._tree_under(r.pgt_relid, '', 1, array[r.pgt_relid])
            with ordinality t (tree_line, node, node_type, depth, pgt_id, number)
    ) l
    left join pgtrickle.pgt_stream_tables s on s.pgt_id = l.pgt_id
    order by l.root, l.number
$$;
comment on function pgtrickle.dependency_tree() is
    'Stream tables that no other reads, each with what it reads below it, down to tables';


create or replace function pgtrickle._edges()
    returns table (reader_id oid, reader text, source_id oid, source text, source_type text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with recursive reached (relid, name) as (
        select s.pgt_relid, pgtrickle._quoted(s.pgt_schema, s.pgt_name)
        from pgtrickle.pgt_stream_tables s
        union
        select c.relid, c.name
        from reached r
        cross join lateral pgtrickle._children(r.relid) c
    )
    select r.relid, r.name, c.relid, c.name, c.node_type
    from reached r
    cross join lateral pgtrickle._children(r.relid) c
    order by c.name, r.name
$$;
comment on function pgtrickle._edges() is 'Who reads what, directly: stream tables, and the views they read';


create or replace function pgtrickle.explain_dag(format text default 'mermaid')
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    chosen constant text := coalesce(pgtrickle._parse_choice('format', format, array['mermaid', 'dot']), 'mermaid');
    nodes text;
    edges text;
begin
    with node as (
        select e.source_id as id, e.source as name, e.source_type as type from pgtrickle._edges() e
        union
        select s.pgt_relid, pgtrickle._quoted(s.pgt_schema, s.pgt_name), 'stream_table' from pgtrickle.pgt_stream_tables s
    )
    select string_agg(
        case chosen
            when 'mermaid' then format(
                case type when 'stream_table' then '    n%s["%s"]' when 'view' then '    n%s(["%s"])' else '    n%s[("%s")]' end,
                id, replace(replace(name, '#', '#35;'), '"', '#quot;'))
            else format('    n%s [label="%s", shape=%s];', id, replace(replace(name, E'\\', E'\\\\'), '"', E'\\"'),
                case type when 'stream_table' then 'box' when 'view' then 'ellipse' else 'cylinder' end)
        end, E'\n' order by name)
    into nodes
    from node;
    select string_agg(format(case chosen when 'mermaid' then '    n%s --> n%s' else '    n%s -> n%s;' end, e.source_id, e.reader_id),
        E'\n' order by e.source, e.reader)
    into edges
    from pgtrickle._edges() e;
    return case chosen
        when 'mermaid' then concat_ws(E'\n', 'flowchart LR', nodes, edges)
        else concat_ws(E'\n', 'digraph stream_tables {', '    rankdir=LR;', nodes, edges, '}')
    end;
end
$$;
comment on function pgtrickle.explain_dag(text) is
    'Stream tables and what they read as a drawing: a mermaid flowchart, or dot for Graphviz; arrows point from source to reader';
