-- How a stream table is maintained, for people: what its next refresh runs, what that reads and
-- what is kept for it. What the compiler knows stands in the plan; the rest is seen here and now.

create or replace function pgtrickle._pin_settings(stream_table pgtrickle.pgt_stream_tables)
    returns jsonb
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    former jsonb := '{}';
    item record;
begin
    for item in
        select s.key, s.value from jsonb_each_text(stream_table.defining_settings) s
        union all
        select 'pgtrickle.internal_refresh', stream_table.pgt_id::text
    loop
        former := former || jsonb_build_object(item.key, coalesce(current_setting(item.key, true), ''));
        perform set_config(item.key, item.value, true);
    end loop;
    return former;
end
$$;
comment on function pgtrickle._pin_settings(pgtrickle.pgt_stream_tables) is
    'Sets, for this transaction, what a refresh of the stream table runs under, but for search_path; returns what was set before';


create or replace function pgtrickle._restore_settings(former jsonb)
    returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select set_config(s.key, s.value, true) from jsonb_each_text(former) s
$$;
comment on function pgtrickle._restore_settings(jsonb) is 'Undoes _pin_settings';


create or replace function pgtrickle._next_statement(
        stream_table pgtrickle.pgt_stream_tables, out kind text, out statement text, out frontier pgtrickle.pgt_frontiers)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    plan jsonb := (
        select p.plan from pgtrickle.pgt_plans p
        where p.pgt_id = stream_table.pgt_id and p.plan_status = 'COMPILED');
    relids oid[];
    pending bigint[];
    which text;
begin
    select f.* into frontier from pgtrickle.pgt_frontiers f where f.pgt_id = stream_table.pgt_id;
    select array_agg(d.source_relid order by d.source_number), array_agg(coalesce(c.pending, 0) order by d.source_number)
    into relids, pending
    from pgtrickle.pgt_dependencies d
    left join pgtrickle._pending_changes(stream_table.pgt_id) c on c.source_relid = d.source_relid
    where d.pgt_id = stream_table.pgt_id
      and d.source_number is not null;
    if stream_table.refresh_mode in ('DIFFERENTIAL', 'IMMEDIATE') and plan ->> 'mode' = 'DIFFERENTIAL' and relids is not null
        and frontier.states_are_empty is not true
    then
        kind := 'delta';
        which := pgtrickle._which_delta(pending);
        if which = 'time' and not plan -> 'deltas' ? 'time' then
            which := '*';
        end if;
        statement := pgtrickle._delta_sql(stream_table.pgt_relid, plan, relids, which,
            array(select n + 8 + n / 8 from unnest(pending) n));
    else
        kind := 'recompute';
        statement := pgtrickle._recompute_sql(stream_table.pgt_relid, stream_table.defining_query, plan -> 'identity', '[]');
    end if;
end
$$;
comment on function pgtrickle._next_statement(pgtrickle.pgt_stream_tables) is
    'The statement a refresh would run now: the delta for the source that alone has changes, or for several, or the recompute; its parameters are the frontier''s snapshot, own_xid, own_seq, moment and statement_moment';


create or replace function pgtrickle._explain_next(stream_table pgtrickle.pgt_stream_tables, options text)
    returns setof text
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
declare
    next record := pgtrickle._next_statement(stream_table);
    statement constant text := format('explain (%s) %s', options, next.statement);
    former_settings constant jsonb := pgtrickle._pin_settings(stream_table);
    line text;
begin
    perform set_config('search_path', pgtrickle._pinned_search_path(stream_table.defining_search_path), true);
    -- Not return query: EXPLAIN returns text, json or xml.
    for line in
        execute statement
        using (next.frontier).snapshot, (next.frontier).own_xid, (next.frontier).own_seq,
            (next.frontier).moment, (next.frontier).statement_moment
    loop
        return next line;
    end loop;
    perform pgtrickle._restore_settings(former_settings);
end
$$;
comment on function pgtrickle._explain_next(pgtrickle.pgt_stream_tables, text) is
    'EXPLAIN of the statement a refresh would run now; with the option analyze it runs';


create or replace function pgtrickle._analyze_next(stream_table pgtrickle.pgt_stream_tables)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    lines text;
begin
    begin
        select string_agg(line, E'\n')
        into lines
        from pgtrickle._explain_next(stream_table, 'analyze, costs off, summary off') line;
        raise exception using errcode = 'TR002';
    exception when sqlstate 'TR002' then
        null;  -- What it did is undone; what it told is kept.
    end;
    return lines;
end
$$;
comment on function pgtrickle._analyze_next(pgtrickle.pgt_stream_tables) is
    'EXPLAIN ANALYZE of the statement a refresh would run now, undone afterwards';


create or replace function pgtrickle.explain_delta(name text, format text default 'text')
    returns setof text
    language plpgsql
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
    chosen constant text := coalesce(pgtrickle._parse_choice('format', format, array['text', 'json', 'xml', 'yaml']), 'text');
begin
    return query
        select line
        from pgtrickle._as_owner(target, pg_catalog.format(
            'select * from pgtrickle._explain_next(pgtrickle._stream_table(%s), ''format %s'')', target.pgt_id, chosen)) line;
end
$$;
comment on function pgtrickle.explain_delta(text, text) is
    'EXPLAIN of the statement by which the stream table would be refreshed now, in one of the formats text, json, xml, yaml; for its owner';


create or replace function pgtrickle.explain_diff_sql(name text)
    returns text
    language plpgsql
    strict
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
    former_role constant text := pgtrickle._act_as_owner(target);
    statement text;
begin
    statement := (pgtrickle._next_statement(target)).statement;
    perform pgtrickle._act_again_as(former_role);
    return statement;
end
$$;
comment on function pgtrickle.explain_diff_sql(text) is
    'The statement by which the stream table would be refreshed now; $1, $2, $3 are its frontier: pg_snapshot, xid8, bigint';


create or replace function pgtrickle._state_lines(target bigint)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select string_agg(
        format('%s: %s, about %s rows, key (%s)',
            s ->> 'name',
            coalesce(pg_size_pretty(pg_total_relation_size(c.oid)), 'missing'),
            coalesce(case when c.reltuples < 0 then 'unknown' else c.reltuples::bigint::text end, '0'),
            (select string_agg(quote_ident(k), ', ' order by number)
             from jsonb_array_elements_text(s -> 'key') with ordinality keys (k, number))),
        E'\n' order by number)
    from pgtrickle.pgt_plans p
    cross join lateral jsonb_array_elements(p.plan -> 'state') with ordinality e (s, number)
    left join pg_class c on c.relnamespace = 'pgtrickle_state'::regnamespace and c.relname = s ->> 'name'
    where p.pgt_id = target
      and p.plan_status = 'COMPILED'
$$;
comment on function pgtrickle._state_lines(bigint) is 'State tables of a stream table with size and estimated rows, a line each; null where there are none';


create or replace function pgtrickle._source_lines(target bigint)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select string_agg(
        format('%s: %s, %s', pgtrickle._quoted(d.source_schema, d.source_name), lower(replace(d.source_type, '_', ' ')),
            case
                when d.source_number is not null then 'captured: ' || (
                    select coalesce(string_agg(quote_ident(name), ', ' order by number), 'no columns')
                    from jsonb_array_elements_text(p.plan -> 'sources' -> d.source_number -> 'columns') with ordinality c (name, number))
                when d.source_type = 'VIEW' then 'replaced by its definition'
                else 'not captured'
            end),
        E'\n' order by d.source_schema, d.source_name)
    from pgtrickle.pgt_dependencies d
    join pgtrickle.pgt_plans p on p.pgt_id = d.pgt_id
    where d.pgt_id = target
$$;
comment on function pgtrickle._source_lines(bigint) is 'What a stream table reads and which columns are captured for it, a line each';


create or replace function pgtrickle._missing_index_lines(target bigint)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with advice as (
        select a.number, c.oid, c.reltuples, a.entry ->> 'why' as why,
            array(select jsonb_array_elements_text(a.entry -> 'columns')) as columns
        from pgtrickle.pgt_plans p
        cross join jsonb_array_elements(p.plan -> 'advice') with ordinality a (entry, number)
        join pg_class c on c.oid = (a.entry ->> 'relid')::oid
        where p.pgt_id = target
          and p.plan_status = 'COMPILED'
    )
    select string_agg(
        format('create index on %s (%s);  -- %s', a.oid::regclass,
            (select string_agg(quote_ident(name), ', ' order by number) from unnest(a.columns) with ordinality n (name, number)),
            a.why),
        E'\n' order by a.number)
    from advice a
    -- Few rows are read as fast without one; an index serves that begins with the columns in any order.
    where a.reltuples not between 0 and 999
      and not exists (
        select
        from pg_index i
        where i.indrelid = a.oid
          and i.indisvalid
          and i.indpred is null
          and array(
            select coalesce(c.attname::text, '')
            from unnest(i.indkey::smallint[]) with ordinality k (number, place)
            left join pg_attribute c on c.attrelid = i.indrelid and c.attnum = k.number
            where k.place <= least(i.indnkeyatts, cardinality(a.columns))) <@ a.columns)
$$;
comment on function pgtrickle._missing_index_lines(bigint) is
    'Statements that create indexes on sources which refreshes would use, a line each with the reason; null where none is missing';


create or replace function pgtrickle.explain_st(name text, with_analyze boolean default false)
    returns table (property text, value text)
    language plpgsql
as $$
#variable_conflict use_column
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
    is_owner constant boolean := pg_catalog.pg_has_role(target.pgt_owner, 'USAGE');
    plan jsonb := (select p.plan from pgtrickle.pgt_plans p where p.pgt_id = target.pgt_id and p.plan_status = 'COMPILED');
    frontier pgtrickle.pgt_frontiers := (select f from pgtrickle.pgt_frontiers f where f.pgt_id = target.pgt_id);
    analyzed text;
begin
    if with_analyze then
        analyzed := pgtrickle._as_owner(target, pg_catalog.format(
            'select pgtrickle._analyze_next(pgtrickle._stream_table(%s))', target.pgt_id));
    end if;
    return query
        select p.property, p.value
        from (
            values
                (1, 'pgt_name', pgtrickle._quoted(target.pgt_schema, target.pgt_name)),
                (2, 'status', target.status),
                (3, 'is_populated', target.is_populated::text),
                (4, 'requested_refresh_mode', target.requested_refresh_mode),
                (5, 'refresh_mode', target.refresh_mode),
                (6, 'effective_refresh_mode', target.effective_refresh_mode),
                (7, 'refresh_reason', target.refresh_reason),
                (8, 'defining_query', target.defining_query),
                (9, 'output_columns', (
                    select pg_catalog.string_agg(pg_catalog.format('%I %s', c.name, c.declaration), ', ' order by c.position)
                    from pgtrickle._probe_columns(target.pgt_relid) c)),
                (10, 'identity', case plan #>> '{identity,kind}'::text[]
                    when 'row' then 'the whole row'
                    when 'key' then coalesce((
                        select pg_catalog.string_agg(pg_catalog.quote_ident(k), ', ' order by number)
                        from pg_catalog.jsonb_array_elements_text(plan #> '{identity,columns}'::text[]) with ordinality keys (k, number)), 'one row')
                    end),
                (11, 'sources', pgtrickle._source_lines(target.pgt_id)),
                (12, 'source_oids', (
                    select pg_catalog.string_agg(d.source_relid::text, ', ' order by d.source_relid)
                    from pgtrickle.pgt_dependencies d
                    where d.pgt_id = target.pgt_id)),
                (13, 'dvm_supported', case when plan is not null then (plan ->> 'mode'::text = 'DIFFERENTIAL')::text end),
                (14, 'operator_tree', (
                    select pg_catalog.string_agg(line, E'\n' order by number)
                    from pg_catalog.jsonb_array_elements_text(plan -> 'tree'::text) with ordinality t (line, number))),
                (15, 'state', pgtrickle._state_lines(target.pgt_id)),
                (16, 'missing_indexes', pgtrickle._missing_index_lines(target.pgt_id)),
                (17, 'frontier', frontier.snapshot::text),
                (18, 'pending_changes', case when is_owner then (
                    select pg_catalog.string_agg(pg_catalog.format('%s: %s rows%s', c.source_relid::regclass, c.pending,
                        case when c.truncated then ', truncated' else '' end), E'\n' order by c.source_relid)
                    from pgtrickle._pending_changes(target.pgt_id) c) end),
                (19, 'delta_query', case when is_owner then (pgtrickle._next_statement(target)).statement end),
                (20, 'analyze', analyzed)
        ) p (number, property, value)
        where p.value is not null
        order by p.number;
end
$$;
comment on function pgtrickle.explain_st(text, boolean) is
    'All that is known of how a stream table is maintained, as property and value; what is not known or does not apply is left out. with_analyze also runs its next refresh statement under EXPLAIN ANALYZE and undoes it';


create or replace function pgtrickle.explain_stream_table(name text)
    returns text
    language sql
    strict
as $$
    select pg_catalog.string_agg(
        case when e.value like E'%\n%' then e.property || E':\n' || pg_catalog.regexp_replace(e.value, '^', '    ', 'gn')
            else e.property || ': ' || e.value end,
        E'\n' order by e.number)
    from pgtrickle.explain_st(name) with ordinality e (property, value, number)
$$;
comment on function pgtrickle.explain_stream_table(text) is 'explain_st as one text';
