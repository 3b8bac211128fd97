-- Whether what a plan keeps is worth it. Where a query asks for one value of each by an inequality alone
-- (`(select max(p.at) from prices p where p.at <= o.at)`), an index gives it at once, but what deltas would
-- need is each with all that come before it.

create or replace function pgtrickle._cost_of(stream_table pgtrickle.pgt_stream_tables, statement text)
    returns double precision
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
    set join_collapse_limit = 12
    set from_collapse_limit = 12
as $$
declare
    own_path constant text := current_setting('search_path');
    no_snapshot constant pg_snapshot := null;
    no_xid constant xid8 := null;
    no_seq constant bigint := null;
    moment constant timestamptz := now();
    command constant text := 'explain (format json) ' || statement;
    explained json;
begin
    perform set_config('search_path', pgtrickle._pinned_search_path(stream_table.defining_search_path), true);
    execute command into explained using no_snapshot, no_xid, no_seq, moment, moment;
    perform set_config('search_path', own_path, true);
    return (explained -> 0 -> 'Plan' ->> 'Total Cost')::double precision;
exception
    when lock_not_available or deadlock_detected then
        raise;
    when others then
        return null;  -- it is about to be run, and will say what is wrong with it
end
$$;
comment on function pgtrickle._cost_of(pgtrickle.pgt_stream_tables, text) is
    'PostgreSQL''s estimate of a statement''s cost, read under the search_path of a stream table; null where it cannot be planned';


create or replace function pgtrickle._worth_keeping(p_pgt_id bigint, plan jsonb)
    returns jsonb
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    target pgtrickle.pgt_stream_tables;
    filling double precision;
    recomputing double precision;
begin
    select * into strict target from pgtrickle.pgt_stream_tables where pgt_id = p_pgt_id;
    if target.requested_refresh_mode <> 'AUTO'
        or plan ->> 'mode' is distinct from 'DIFFERENTIAL'
        or coalesce(jsonb_array_length(plan -> 'state'), 0) = 0
        or not pgtrickle._reads_much(p_pgt_id)
    then
        return plan;
    end if;
    filling := pgtrickle._cost_of(target, (
        select format('with %s select %s',
            string_agg(format('filled_%s as materialized (%s)', position, s ->> 'fill'), ', ' order by position),
            string_agg(format('(select pg_catalog.count(*) from filled_%s)', position), ', ' order by position))
        from jsonb_array_elements(plan -> 'state') with ordinality states (s, position)));
    -- Most take up to ten times what the query does.
    if filling > 1000000 then
        recomputing := pgtrickle._cost_of(target, target.defining_query);
        recomputing := case when recomputing is not null then greatest(recomputing, 1) end;
        if filling > 50 * recomputing then
            return jsonb_build_object(
                'format', 1, 'mode', 'FULL', 'query', plan -> 'query', 'compiler', plan -> 'compiler', 'construct', null, 'outweighed', true,
                'reason', format('what deltas would need takes %s times as much to compute as the query, as PostgreSQL estimates', round(filling / recomputing))
                    || '; refresh_mode DIFFERENTIAL keeps it all the same');
        end if;
    end if;
    return plan;
end
$$;
comment on function pgtrickle._worth_keeping(bigint, jsonb) is
    'The plan, or, under AUTO, one to recompute where the states would take far more than the query itself. To be called as the owner, since PostgreSQL may run functions to plan his query';
