-- Programs: the statements of a refresh as functions, so that a session plans them once.
--
-- What EXECUTE runs is planned every time, and for some hundred rows that takes longer than running
-- it. So a stream table has, in pgtrickle_state and owned as its executor is,
--   pending_<pgt_id>()               what is not consumed, counted
--   delta_<pgt_id>_<which>_<guard>() the delta for one source (3), several (0_and_3) or all of them, and up
--                                    to so many changed rows of each; followed by the sources of which
--                                    some rows changed in columns that the query does not read
-- made by the refresh that first needs one. The guard stands in the statement as a constant, so the
-- planner knows the delta's size with no parameter known to it; more changes than the largest guard
-- are planned by themselves each time.
--
-- The comment on each ends with a mark of all that its text was made from. One whose mark is another
-- is made anew: after a compilation, a rename, a rebuilt source, an upgrade; and when a relation it reads
-- has become four times as large, for a kept plan would go on scanning what was small.

create or replace function pgtrickle._aimed(delta text, token text, target oid, afresh boolean default false)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- Whether a row's place says which row, the planner sees before it plans: what is not asked costs nothing.
    select replace(
        replace(
            replace(delta, coalesce(token || '_partitioned', ''), pgtrickle._is_partitioned(target)::text),
            coalesce(token || '_afresh', ''), afresh::text),
        coalesce(token, ''), pgtrickle._present(target))
$$;
comment on function pgtrickle._aimed(text, text, oid, boolean) is
    'A plan''s delta with the table''s present name in the place of its token, and true or false in those of <token>_partitioned and <token>_afresh';


create or replace function pgtrickle._no_changes_sql(changes text)
    returns text
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
    -- The planner leaves out whatever is joined with it.
    select format('select * from (%s) c where false', changes)
$$;
comment on function pgtrickle._no_changes_sql(text) is 'A query for changes, as _changes_sql gives it, that finds none';


create or replace function pgtrickle._which_delta(changes bigint[])
    returns text
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return case
        when cardinality(changes) = 1 then '0'
        when 0 < all (changes) then '*'
        else coalesce(
            (select string_agg((number - 1)::text, ',' order by number) from unnest(changes) with ordinality c(n, number) where n > 0),
            'time')
    end;
end
$$;
comment on function pgtrickle._which_delta(bigint[]) is
    'For which sources a delta is wanted, given the changes of each: their numbers, from 0 ("0,3"), "*" for all, "time" for none';


create or replace function pgtrickle._delta_text(plan jsonb, which text)
    returns text
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return plan -> 'deltas' ->> case when which ~ ',' then '*' else which end;
end
$$;
comment on function pgtrickle._delta_text(jsonb, text) is 'The text in a plan that a delta for these sources, as _which_delta names them, is made of';


create or replace function pgtrickle._delta_sql(
        target oid, plan jsonb, relids oid[], which text, guards bigint[], partly boolean[] default null,
        afresh boolean default false)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select format(
        'with %s%s select o.rows_inserted, o.rows_deleted, o.consistent, pg_catalog.pg_current_snapshot(), array[%s]::bigint[], %s from outcome o',
        string_agg(
            case
                when not included then format('changes_%s as not materialized (%s), ', number, pgtrickle._no_changes_sql(changes))
                when guards is null then format('changes_%s as materialized (%s), ', number, pgtrickle._netted_sql(changes, columns))
                when guards = '{}' then format('changes_%s as (%s), ', number,  -- materialized where it is read twice
                    case when touched then pgtrickle._settled_sql(relids[number + 1], changes, columns) else changes end)
                else format('captured_%s as materialized (%s limit %s), changes_%s as %s (%s), ',
                    number, pgtrickle._changes_sql(relids[number + 1], columns, marked => true), guards[number + 1], number,
                    case when touched then 'materialized' else 'not materialized' end,
                    case when touched then pgtrickle._settled_sql(relids[number + 1], present, columns) else present end)
            end,
            '' order by number) filter (where included or which ~ ','),
        pgtrickle._aimed(pgtrickle._delta_text(plan, which), plan ->> 'target', target, afresh),
        string_agg(
            case
                when not included then '0'
                when guards = '{}' then 'null'
                else format('(select pg_catalog.count(*) from %s_%s)', case when guards is null then 'changes' else 'captured' end, number)
            end,
            ', ' order by number),
        coalesce(string_agg(
            case
                when not included and touched then format(
                    'exists (select from (%s) t) or exists (select from (%s) m where __pgt_weight operator(pg_catalog.=) 0)',
                    pgtrickle._settled_sql(relids[number + 1], changes, columns),
                    pgtrickle._changes_sql(relids[number + 1], columns, marked => true))
                when not included then pgtrickle._has_changes_sql(relids[number + 1])
                when guards <> '{}' then format('exists (select from captured_%s where __pgt_weight operator(pg_catalog.=) 0)', number)
            end,
            ' or ' order by number), 'false'))
    from (
        select position::integer - 1 as number,
            which = '*' or (position - 1)::text = any (string_to_array(which, ',')) as included,
            guards is not null and coalesce(partly[position], false) as touched,
            array(select jsonb_array_elements_text(source -> 'columns')) as columns
        from jsonb_array_elements(plan -> 'sources') with ordinality s(source, position)
    ) sources
    cross join lateral pgtrickle._changes_sql(relids[number + 1], columns) changes
    cross join lateral format('select * from captured_%s where __pgt_weight operator(pg_catalog.<>) 0', number) present
$$;
comment on function pgtrickle._delta_sql(oid, jsonb, oid[], text, bigint[], boolean[], boolean) is
    'Statement that applies a plan''s delta for some sources, as _which_delta names them. guards: most rows to read of each source, {} for all, null for all netted; partly: the sources of which some rows changed in other columns alone; afresh: whether groups are aggregated afresh that rarely have to be, without which it is not consistent where one has. One row: rows inserted, rows deleted, consistent, snapshot, rows read per source (null where there is no guard to compare with), and whether a source left out has changes after all or, where there are guards, one was truncated';


create or replace function pgtrickle._guard_class(guards bigint[])
    returns bigint
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return case when 128 >= all (guards) then 128 when 2048 >= all (guards) then 2048 when 16384 >= all (guards) then 16384 end;
end
$$;
comment on function pgtrickle._guard_class(bigint[]) is
    'The guard of the program that suits so many changed rows per source; null where they are too many for one';


create or replace function pgtrickle._functions_of(p_pgt_id bigint)
    returns setof regprocedure
    language sql
    stable
    rows 10
    set search_path = pg_catalog, pg_temp
as $$
    -- By ranges of an index: the functions of a database are many. ("`" is what follows "_".)
    select p.oid::regprocedure
    from (select format('%s_%s', kind, p_pgt_id) as name from unnest('{refresh,verify,maintain,pending,delta}'::text[]) kind) made
    join pg_proc p on p.proname >= made.name and p.proname < made.name || '`'
    where p.pronamespace = 'pgtrickle_state'::regnamespace
      and (p.proname = made.name or starts_with(p.proname, made.name || '_'))
$$;
comment on function pgtrickle._functions_of(bigint) is 'The functions that were made for a stream table in pgtrickle_state, and others that bear their names';


create or replace function pgtrickle._drop_routines(routines regprocedure[])
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set client_min_messages = warning
as $$
declare
    commands constant text := (select string_agg(format('drop routine if exists %s cascade', r), '; ') from unnest(routines) r);
begin
    -- With what somebody may have hung on them, to keep them from being dropped.
    if commands is not null then
        execute commands;
    end if;
end
$$;
comment on function pgtrickle._drop_routines(regprocedure[]) is 'Drops functions, procedures and aggregates, and what depends on them';


create or replace function pgtrickle._drop_planted(target bigint)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Who owns a schema may drop what others own in it.
    perform pgtrickle._drop_routines(array(
        select f
        from pgtrickle._functions_of(target) f
        join pg_proc p on p.oid = f
        join pgtrickle.pgt_stream_tables s on s.pgt_id = target
        where p.proowner <> s.pgt_owner));
end
$$;
comment on function pgtrickle._drop_planted(bigint) is
    'Drops what bears a name of a stream table''s functions and is not its owner''s: every owner of one may create functions in pgtrickle_state';


create or replace function pgtrickle._runs_as_its_owner(name text, arguments text)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
    set quote_all_identifiers = off
as $$
declare
    function constant oid := to_regprocedure(format('pgtrickle_state.%s(%s)', name, arguments));
begin
    -- Not by pg_proc, which under an older snapshot is what was there before somebody exchanged it: these
    -- see what will be called. Nothing in the arguments' defaults can pass for what stands behind them.
    return coalesce(starts_with(
        pg_get_functiondef(function),
        format('CREATE OR REPLACE FUNCTION pgtrickle_state.%1$s(%2$s)%4$s RETURNS %3$s%4$s LANGUAGE plpgsql%4$s SECURITY DEFINER%4$s',
            name, pg_get_function_arguments(function), pg_get_function_result(function), chr(10))), false);
end
$$;
comment on function pgtrickle._runs_as_its_owner(text, text) is
    'Whether the function of this name in pgtrickle_state, with these types of arguments, stands there and is SECURITY DEFINER, now, whatever the snapshot';


create or replace function pgtrickle._drop_programs(p_pgt_id bigint)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pgtrickle._drop_routines(array(
        select f
        from pgtrickle._functions_of(p_pgt_id) f
        join pg_proc p on p.oid = f
        where p.proname ~ '^(pending|delta)_'
          and pg_has_role(p.proowner, 'USAGE')));
end
$$;
comment on function pgtrickle._drop_programs(bigint) is 'Drops the programs of a stream table, which the next refreshes make again as they need them';


create or replace function pgtrickle._mark(
        stamp text, stream_table oid, search_path text, requested_mode text, wal text, relids oid[], runtime text)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    relid oid;
    sizes text := '';
begin
    -- The sizes are those of files, to the power of four, from half a megabyte on. (A loop: nothing of it
    -- starts an executor.)
    foreach relid in array relids || stream_table loop
        sizes := concat_ws(' ', sizes, relid, (ln(greatest(pg_relation_size(relid), 524288)) / ln(4))::integer);
    end loop;
    return md5(concat_ws(' ', stamp, stream_table::regclass, search_path, requested_mode, wal, sizes, runtime));
end
$$;
comment on function pgtrickle._mark(text, oid, text, text, text, oid[], text) is
    'Hash of what a stream table''s programs are made from and were planned for. relids: its captured sources, ascending; wal: which are read from the log, null where none is; runtime: as _runtime_version()';


create or replace function pgtrickle._runtime_version()
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (select string_agg(p.xmin::text, ' ') from pg_proc p where p.oid = 'pgtrickle._create_program(bigint, text, text, text, text, text, text, text)'::regprocedure);
end
$$;
comment on function pgtrickle._runtime_version() is 'Changes when the runtime is installed anew, which may make other programs of the same plan';


create or replace function pgtrickle._program_mark(
        stream_table pgtrickle.pgt_stream_tables, stamp text, relids oid[], out mark text)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Sizes of partitions are costly to ask, and nothing else tells that they have grown.
    if stamp is null or exists (select from pg_class c where c.oid = any (relids || stream_table.pgt_relid) and c.relkind = 'p') then
        return;
    end if;
    mark := pgtrickle._mark(stamp, stream_table.pgt_relid, stream_table.defining_search_path, stream_table.requested_refresh_mode,
        case when exists (select from pgtrickle.pgt_captures c where c.source_relid = any (relids) and (c.cdc_mode = 'WAL' or c.wal_until is not null))
            then (select string_agg(pgtrickle._reads_wal(relid)::text, ' ' order by relid) from unnest(relids) relid) end,
        array(select relid from unnest(relids) relid order by relid), pgtrickle._runtime_version());
end
$$;
comment on function pgtrickle._program_mark(pgtrickle.pgt_stream_tables, text, oid[]) is
    'As _mark, looked up; null where a stream table is to have no programs. stamp: of the catalogs, the plan among them';


create or replace function pgtrickle._has_program(name text, mark text)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (
        select
        from pg_proc p
        join pg_description d on d.objoid = p.oid and d.classoid = 'pg_proc'::regclass and d.objsubid = 0
        where p.proname = name
          and p.pronamespace = 'pgtrickle_state'::regnamespace
          -- Others may make functions here, too, and give them this name and a copy of the mark.
          and pg_get_userbyid(p.proowner) = current_user
          and right(d.description, 32) = mark);
end
$$;
comment on function pgtrickle._has_program(text, text) is 'Whether the program of this name stands, is the current role''s and was made from what is there now';


create or replace function pgtrickle._create_program(
        target bigint, name text, mark text, arguments text, results text, statement text, more_results text default null, then_do text default '')
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set check_function_bodies = off
as $$
declare
    stream_table pgtrickle.pgt_stream_tables;
    -- Of a join of more tables PostgreSQL orders some at a time. Of eighteen, eight at a time take a fifth
    -- of the time to plan that twelve do, and come to the same plan: the change stands first in the text.
    ordered constant integer := case when (
        select max(regexp_count(part, ' JOIN ')) from regexp_split_to_table(statement, 'UNION ALL|MATERIALIZED') part) < 12
        then 12 else 8 end;
    command text;
begin
    perform pgtrickle._drop_planted(target);
    select s.* into strict stream_table from pgtrickle.pgt_stream_tables s where s.pgt_id = target;
    command := format(
        'create or replace function pgtrickle_state.%I(%s, %s) language plpgsql set search_path from current'
        ' set plan_cache_mode = force_generic_plan set jit = off set random_page_cost = 1.1 set join_collapse_limit = %s set from_collapse_limit = %4$s as %L',
        name, arguments,
        (select string_agg('out ' || r, ', ') from regexp_split_to_table(concat_ws(', ', results, more_results), ', ') r),
        ordered,
        format(E'#variable_conflict use_column\nbegin\n    %s\n    into %s;\n    %s\nend\n', statement,
            (select string_agg(split_part(r, ' ', 1), ', ') from regexp_split_to_table(results, ', ') r),
            then_do));
    begin
        perform pgtrickle._create_as_defined(stream_table, command);
    exception when invalid_function_definition then
        -- One that an earlier version made has other results.
        perform pgtrickle._drop_routines(array[format('pgtrickle_state.%I(%s)', name, arguments)::regprocedure]);
        perform pgtrickle._create_as_defined(stream_table, command);
    end;
    execute format('revoke all on function pgtrickle_state.%I(%s) from public', name, arguments);
    execute format('comment on function pgtrickle_state.%I(%s) is %L', name, arguments,
        format('A statement of the refresh of stream table %I.%I, kept planned; made from %s', stream_table.pgt_schema, stream_table.pgt_name, mark));
end
$$;
comment on function pgtrickle._create_program(bigint, text, text, text, text, text, text, text) is
    'Creates, or makes anew, a program: a function that runs one statement, whose row becomes the results ("name type, ..."), and then_do, a statement that may set more_results. Call it as the stream table''s owner';


create or replace function pgtrickle._delta_program_name(target bigint, which text, guard bigint, partly boolean[] default null)
    returns text
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
declare
    name text := format('delta_%s_%s_%s', target, replace(replace(which, '*', 'all'), ',', '_and_'), guard);
begin
    if true = any (partly) then
        name := name || (select string_agg('_' || number - 1, '' order by number) from unnest(partly) with ordinality p(is_partly, number) where is_partly);
    end if;
    return case when length(name) > 63 then format('delta_%s_%s', target, md5(name)) else name end;
end
$$;
comment on function pgtrickle._delta_program_name(bigint, text, bigint, boolean[]) is
    'Name of the program for a delta; partly as in _delta_sql';


create or replace function pgtrickle._delta_program(
        stream_table pgtrickle.pgt_stream_tables, plan jsonb, mark text, relids oid[], which text, guard bigint, partly boolean[])
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    most constant integer := 24;
    name constant text := pgtrickle._delta_program_name(stream_table.pgt_id, which, guard, partly);
begin
    if not pgtrickle._has_program(name, mark) then
        -- Ten sources have a thousand sets; which of them change together is a few, or anything.
        if (which ~ ',' or true = any (partly))
            and (select count(*) from pgtrickle._functions_of(stream_table.pgt_id) f where starts_with(f::text, 'pgtrickle_state.delta')) >= most
        then
            return pgtrickle._delta_program(stream_table, plan, mark, relids, '*', guard, null);
        end if;
        perform pgtrickle._create_program(stream_table.pgt_id, name, mark,
            'pg_snapshot, xid8, bigint, timestamptz, timestamptz',
            'rows_inserted bigint, rows_deleted bigint, consistent boolean, snapshot pg_snapshot, rows_read bigint[], overtaken boolean',
            pgtrickle._delta_sql(stream_table.pgt_relid, plan, relids, which, array_fill(guard, array[cardinality(relids)]), partly),
            'source_stamps text[]',
            case when stream_table.requested_refresh_mode = 'IMMEDIATE' and guard = 128 then coalesce(pgtrickle._source_stamps_sql(stream_table.pgt_id), '') else '' end);
    end if;
    return format('select * from pgtrickle_state.%I($1, $2, $3, $4, $5)', name);
end
$$;
comment on function pgtrickle._delta_program(pgtrickle.pgt_stream_tables, jsonb, text, oid[], text, bigint, boolean[]) is
    'Statement that calls the program for a delta (as _delta_sql, with one guard for all sources), made if it is not there';


create or replace function pgtrickle._pending_program(stream_table pgtrickle.pgt_stream_tables, plan jsonb, mark text, relids oid[])
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    name constant text := format('pending_%s', stream_table.pgt_id);
begin
    if mark is null then
        return pgtrickle._pending_sql(relids, plan);
    end if;
    if not pgtrickle._has_program(name, mark) then
        perform pgtrickle._create_program(stream_table.pgt_id, name, mark,
            'pg_snapshot, xid8, bigint', 'pending bigint[], markers bigint[], snapshot pg_snapshot, touched bigint[]', pgtrickle._pending_sql(relids, plan));
    end if;
    return format('select * from pgtrickle_state.%I($1, $2, $3)', name);
end
$$;
comment on function pgtrickle._pending_program(pgtrickle.pgt_stream_tables, jsonb, text, oid[]) is
    'Statement that counts what is pending (as _pending_sql) by calling the program for it, made if it is not there';
