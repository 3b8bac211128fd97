-- Which stream tables are refreshed together.

create or replace function pgtrickle._groups()
    returns table (
        group_id integer, at_one_snapshot boolean, waits_for_all boolean, held boolean, pgt_id bigint, name text, depth integer, upstream bigint[])
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with recursive named as materialized (
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
        where pg_has_role(g.created_by, s.pgt_owner, 'USAGE')
    ),
    member as materialized (
        select n.group_name, n.at_one_snapshot, n.waits_for_all, n.pgt_id,
            s.consecutive_errors > 0 and pgtrickle._retry_at(s) > clock_timestamp() as held
        from named n
        join pgtrickle.pgt_stream_tables s on s.pgt_id = n.pgt_id
        where n.is_wanted
          and s.refresh_mode <> 'IMMEDIATE'
          and s.status <> 'SUSPENDED'
          and s.refresh_tier <> 'frozen'
          and not exists (select from pgtrickle.pgt_scheduler_pauses p where p.pgt_id = s.pgt_id)
          and pg_has_role(s.pgt_owner, 'USAGE')
    ),
    -- Groups that share a table are one, named for the first.
    reached (group_name, other) as (
        select m.group_name, m.group_name from member m
        union
        select r.group_name, b.group_name
        from reached r
        join member a on a.group_name = r.other
        join member b on b.pgt_id = a.pgt_id
    ),
    whole as (
        select r.group_name, min(r.other) as first from reached r group by r.group_name
    ),
    merged as (
        select w.first, bool_or(m.at_one_snapshot) as at_one_snapshot, bool_or(m.waits_for_all) as waits_for_all,
            coalesce(bool_or(m.held), false) as held, array_agg(distinct m.pgt_id) as ids
        from member m
        join whole w using (group_name)
        group by w.first
    )
    select (dense_rank() over (order by g.first))::integer, g.at_one_snapshot, g.waits_for_all, g.held, o.pgt_id, o.name, o.depth, o.upstream
    from merged g
    join pgtrickle._in_order() o on o.pgt_id = any (g.ids)
    order by 1, o.depth, o.name
$$;
comment on function pgtrickle._groups() is
    'Stream tables that are refreshed together: diamonds, and what create_refresh_group names; those that share a table are one. at_one_snapshot: in one transaction; waits_for_all: only when all are due, else when one is; held: one failed and is not to be tried again yet';
