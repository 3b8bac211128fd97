-- The order in which stream tables are refreshed together: what a table reads comes before it.
--
-- Whoever refreshes several at one moment does so in one REPEATABLE READ transaction, upstream
-- first: each then reads the sources as of the transaction's snapshot, and the stream tables
-- before it as this transaction has just left them.

create or replace function pgtrickle._reads()
    returns table (pgt_id bigint, upstream_id bigint)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- By name too: what stands under a name now is what the query reads, though it may have been
    -- created again since it was last read. Two joins, for one with OR would compare each with each.
    select d.pgt_id, u.pgt_id
    from pgtrickle.pgt_dependencies d
    join pgtrickle.pgt_stream_tables u on u.pgt_relid = d.source_relid
    where u.pgt_id <> d.pgt_id
    union
    select d.pgt_id, u.pgt_id
    from pgtrickle.pgt_dependencies d
    join pgtrickle.pgt_stream_tables u on u.pgt_schema = d.source_schema and u.pgt_name = d.source_name
    where u.pgt_id <> d.pgt_id
$$;
comment on function pgtrickle._reads() is 'Which stream table reads which other one, directly or through views';


create or replace function pgtrickle._in_order(wanted bigint default null)
    returns table (pgt_id bigint, name text, depth integer, upstream bigint[])
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with recursive edge as materialized (
        select * from pgtrickle._reads()
    ),
    reached (pgt_id, depth) as (
        select s.pgt_id, 0
        from pgtrickle.pgt_stream_tables s
        where wanted is null or s.pgt_id = wanted
        union
        select e.upstream_id, r.depth - 1
        from reached r
        join edge e on e.pgt_id = r.pgt_id
        where r.depth > -1000
    )
    select
        s.pgt_id,
        pgtrickle._quoted(s.pgt_schema, s.pgt_name),
        (min(r.depth) - min(min(r.depth)) over ())::integer,
        array(select e.upstream_id from edge e where e.pgt_id = s.pgt_id order by 1)
    from reached r
    join pgtrickle.pgt_stream_tables s on s.pgt_id = r.pgt_id
    group by s.pgt_id, s.pgt_schema, s.pgt_name
    order by min(r.depth), s.pgt_schema, s.pgt_name
$$;
comment on function pgtrickle._in_order(bigint) is
    'All stream tables, or one with those it reads at any depth, what is read before what reads it; upstream: the ids of those it reads directly';


create or replace function pgtrickle._in_dependency_order(name text default null)
    returns setof text
    language plpgsql
as $$
declare
    wanted bigint := case when name is not null then (pgtrickle._find(name)).pgt_id end;
begin
    return query
        select o.name
        from pgtrickle._in_order(wanted) with ordinality o (pgt_id, name, depth, upstream, number)
        join pgtrickle.pgt_stream_tables s on s.pgt_id = o.pgt_id
        where pg_catalog.pg_has_role(s.pgt_owner, 'USAGE')
          and (s.status <> 'SUSPENDED' or s.pgt_id = wanted)
        order by o.number;
end
$$;
comment on function pgtrickle._in_dependency_order(text) is
    'Names, as SQL reads them, of the stream tables the caller may refresh, upstream first; with a name, of that one and those it reads. SUSPENDED ones are left out';
