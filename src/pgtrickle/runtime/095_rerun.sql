-- Declaring anew what is there already, and refreshing it: what a rerun of dbt does to nearly every
-- stream table, in one call.

create or replace function pgtrickle._is_declared(
        target pgtrickle.pgt_stream_tables, query text, search_path text, declared jsonb, compiler text)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- What writers maintain has triggers to be looked at, before its catalog row is.
    return target.refresh_mode <> 'IMMEDIATE'
        and target.is_populated
        and query = target.original_query
        and search_path = target.defining_search_path
        and to_jsonb(target) @> declared
        and (compiler is null or pgtrickle._has_plan_of(target, declared ->> 'requested_refresh_mode', compiler))
        and pgtrickle._reads_as(query, search_path, target.defining_query);
end
$$;
comment on function pgtrickle._is_declared(pgtrickle.pgt_stream_tables, text, text, jsonb, text) is
    'Whether a stream table is filled and to the letter what a declaration says, and has the plan of this compiler''s, if any. Call it as its owner';


create or replace function pgtrickle._rerun(
        name text,
        query text,
        schedule text default 'calculated',
        refresh_mode text default 'AUTO',
        initialize boolean default true,
        diamond_consistency text default null,
        diamond_schedule_policy text default null,
        cdc_mode text default null,
        append_only boolean default false,
        pooler_compatibility_mode boolean default false,
        partition_by text default null,
        max_differential_joins integer default null,
        max_delta_fraction double precision default null,
        compiler text default null)
    returns pgtrickle.refresh_outcome
    language plpgsql
as $$
declare
    wanted record := pgtrickle._parse_name(name);
    target constant pgtrickle.pgt_stream_tables := pgtrickle._find_by_name(wanted.schema_name, wanted.object_name);
    declared jsonb;
    is_declared boolean;
begin
    if target.pgt_id is null or not pg_catalog.pg_has_role(target.pgt_owner, 'USAGE'::text) then
        return null;
    end if;
    declared := pgtrickle._declared(schedule, pgtrickle._options(
        refresh_mode, diamond_consistency, diamond_schedule_policy, cdc_mode, append_only,
        pooler_compatibility_mode, partition_by, max_differential_joins, max_delta_fraction,
        null, null, null, null, null, null));
    is_declared := (
        select s::boolean
        from pgtrickle._as_owner(target, pg_catalog.format(
            'select pgtrickle._is_declared(pgtrickle._stream_table(%s), %L, %L, %L, %L)::text',
            target.pgt_id, query, pg_catalog.current_setting('search_path'), declared, compiler)) s);
    if is_declared is not true then
        return null;
    end if;
    return pgtrickle._execute_refresh(target, null, 'MANUAL', true, true);
end
$$;
comment on function pgtrickle._rerun(text, text, text, text, boolean, text, text, text, boolean, boolean, text, integer, double precision, text) is
    'As create_or_replace_stream_table and then try_refresh, where the first has nothing to do; null, and nothing done, where it has, or may not';
