-- The same without a worker: what is due, from pg_cron or any other scheduler.

create or replace function pgtrickle._units_due()
    returns table (ids bigint[], at_one_snapshot boolean)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with due as materialized (
        select d.pgt_id, d.depth, d.due_at from pgtrickle._due() d
    ),
    together as materialized (
        select g.group_id, g.at_one_snapshot, array_agg(g.pgt_id) as ids, max(g.depth) as depth, min(d.due_at) as due_at
        from pgtrickle._groups() g
        left join due d using (pgt_id)
        group by g.group_id, g.at_one_snapshot, g.waits_for_all, g.held
        having not g.held
           and case when g.waits_for_all then bool_and(d.pgt_id is not null) else bool_or(d.pgt_id is not null) end
    )
    select u.ids, u.at_one_snapshot
    from (
        select t.ids, t.at_one_snapshot, t.depth, t.due_at
        from together t
        union all
        select array[d.pgt_id], false, d.depth, d.due_at
        from due d
        where not exists (select from pgtrickle._groups() g where g.pgt_id = d.pgt_id)
        union all
        select array[a.pgt_id], false, 0, now()
        from pgtrickle._adrift() a
    ) u
    order by u.depth, u.due_at
$$;
comment on function pgtrickle._units_due() is
    'What is to be refreshed now, what belongs together as one, what is read before what reads it';


create or replace function pgtrickle._refresh_unit(ids bigint[])
    returns void
    language plpgsql
    set jit = off
as $$
begin
    perform from pgtrickle._refresh_together(ids);
exception
    when serialization_failure or deadlock_detected then
        raise notice 'stream tables were not refreshed at one snapshot: %', sqlerrm;
    when others then
        raise warning 'a stream table could not be refreshed: %', sqlerrm;
end
$$;
comment on function pgtrickle._refresh_unit(bigint[]) is '_refresh_together, but what goes wrong is told and undoes this alone';


-- No search_path is set: a procedure that commits may not. Its loops are over arrays, for a query
-- that is being read would keep its snapshot.
create or replace procedure pgtrickle.run_due()
    language plpgsql
as $$
declare
    units pg_catalog.jsonb := (select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(u)) from pgtrickle._units_due() u);
    unit pg_catalog.jsonb;
    tables bigint[];
    sources oid[];
begin
    for number in 0 .. coalesce(pg_catalog.jsonb_array_length(units), 0) - 1 loop
        unit := units -> number;
        tables := array(select t::bigint from pg_catalog.jsonb_array_elements_text(unit -> 'ids'::text) t);
        if (unit ->> 'at_one_snapshot'::text)::boolean then
            commit;
            set transaction isolation level repeatable read;
            perform pgtrickle._refresh_unit(tables);
            commit;
        else
            for position in 1 .. pg_catalog.cardinality(tables) loop
                commit;
                perform pgtrickle._refresh_unit(tables[position:position]);
            end loop;
        end if;
    end loop;
    commit;
    while pgtrickle._drop_unused() loop
        commit;
    end loop;
    sources := array(select s from pgtrickle._purgeable() s);
    for position in 1 .. pg_catalog.cardinality(sources) loop
        commit;
        perform pgtrickle._purge(sources[position]);
    end loop;
    commit;
    perform pgtrickle._alert_states();
    perform pgtrickle._purge_history();
end
$$;
comment on procedure pgtrickle.run_due() is
    'Refreshes what is due, each table in a transaction of its own and what belongs together at one snapshot, and purges: for pg_cron and the like, where no worker runs. Call it outside a transaction. It compiles nothing, reads no write-ahead log, and follows a cron schedule as far as a worker has computed its times';
