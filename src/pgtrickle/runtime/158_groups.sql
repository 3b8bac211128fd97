-- Which stream tables a worker refreshes together.

create or replace function pgtrickle._groups()
    returns table (group_name text, at_one_snapshot boolean, waits_for_all boolean, pgt_id bigint, name text, depth integer, upstream bigint[])
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with member as (
        select 'diamond ' || g.group_id as group_name, true as at_one_snapshot,
            bool_or(g.is_convergence and g.schedule_policy = 'slowest') over whole as waits_for_all,
            bool_or(g.is_convergence and s.diamond_consistency = 'atomic') over whole as is_wanted, s.pgt_id
        from pgtrickle.diamond_groups() g
        join pgtrickle.pgt_stream_tables s on s.pgt_schema = g.member_schema and s.pgt_name = g.member_name
        window whole as (partition by g.group_id)
        union all
        select 'group ' || g.group_name, g.isolation = 'repeatable_read', false, true, s.pgt_id
        from pgtrickle.pgt_refresh_groups g
        join pgtrickle.pgt_stream_tables s on s.pgt_relid = any (g.member_oids)
    )
    select m.group_name, m.at_one_snapshot, m.waits_for_all, m.pgt_id, o.name, o.depth, o.upstream
    from member m
    join pgtrickle.pgt_stream_tables s on s.pgt_id = m.pgt_id
    join pgtrickle._in_order() o on o.pgt_id = m.pgt_id
    where m.is_wanted
      and s.refresh_mode <> 'IMMEDIATE'
      and s.status <> 'SUSPENDED'
      and s.refresh_tier <> 'frozen'
      and pg_has_role(s.pgt_owner, 'USAGE')
    order by m.group_name, o.depth, o.name
$$;
comment on function pgtrickle._groups() is
    'Stream tables that a worker refreshes together: diamonds, and what create_refresh_group names. at_one_snapshot: in one transaction; waits_for_all: only when all are due, else when one is';
