-- What a plan relies on besides data, and whether it still holds: the columns and keys of the
-- sources, the definitions of views, the functions of users.
--
-- Names rule. A query is text, so what stands under a source's name now is what it reads: a source
-- that was swapped for another is taken for it, a view that was replaced is read again. What was
-- remembered is in pgt_dependencies (column_snapshot, schema_fingerprint) and, for functions, in
-- pgt_stream_tables (functions_used, function_hashes).
--
-- What every refresh asks is asked in plpgsql, which keeps its plans for the session.

create or replace function pgtrickle._source_type(relation oid)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select case
                when exists (select from pgtrickle.pgt_stream_tables s where s.pgt_relid = c.oid) then 'STREAM_TABLE'
                else case c.relkind when 'v' then 'VIEW' when 'm' then 'MATVIEW' when 'f' then 'FOREIGN_TABLE' else 'TABLE' end
            end
        from pg_class c
        where c.oid = relation
        limit 1);  -- an older snapshot may see two versions of the row, one of its own
end
$$;
comment on function pgtrickle._source_type(oid) is 'What kind of source a relation is, as pgt_dependencies has it';


create or replace function pgtrickle._columns_as_defined(relation oid)
    returns jsonb
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
begin
    return (
        select jsonb_agg(
            jsonb_build_object('name', c.name, 'type', c.declaration, 'number', a.attnum)
                || case when a.attnotnull and not exists (
                        -- A constraint that was not validated says nothing of the rows there are.
                        select from pg_constraint k
                        where k.conrelid = relation and k.contype = 'n' and k.conkey = array[a.attnum] and not k.convalidated)
                    then '{"not_null": true}'::jsonb else '{}' end
                || coalesce((
                    select jsonb_build_object('labels', jsonb_agg(e.enumlabel order by e.enumlabel))
                    from pg_enum e
                    where e.enumtypid = pgtrickle._base_type(c.type)
                    having count(*) > 0), '{}')
            order by c.position)
        from pgtrickle._probe_columns(relation) c
        join pg_attribute a on a.attrelid = relation and a.attname = c.name);
end
$$;
comment on function pgtrickle._columns_as_defined(oid) is
    'Columns of a relation as [{name, type, number, not_null, labels}]; not_null only where every row is known to comply, labels only of enums';


create or replace function pgtrickle._definition_fingerprint(relation oid)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
begin
    return (
        select case c.relkind
            when 'v' then md5(pgtrickle._viewdef(c.oid))
            else (
                select coalesce(jsonb_agg(key order by key), '[]')::text
                from (
                    select distinct string_agg(quote_ident(a.attname), ',' order by a.attname) as key
                    from pg_index i
                    cross join lateral unnest(i.indkey::smallint[]) with ordinality k (number, place)
                    left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
                    where i.indrelid = c.oid
                      and i.indisunique
                      and i.indisvalid
                      and i.indimmediate
                      and i.indpred is null
                      and i.indexprs is null
                      and k.place <= i.indnkeyatts
                    group by i.indexrelid
                ) keys
            )
        end
        from pg_class c
        where c.oid = relation
        limit 1);  -- an older snapshot may see two versions of the row, one of its own
end
$$;
comment on function pgtrickle._definition_fingerprint(oid) is
    'Of a view: a hash of its query as PostgreSQL prints it. Of a table: its keys, as a JSON list of column lists';


create or replace function pgtrickle._function_hashes(signatures text[])
    returns jsonb
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select coalesce(jsonb_object_agg(signature, (
            select md5(concat_ws(' ', p.prolang, p.prokind, p.provolatile, p.proisstrict, p.proretset, p.prorettype,
                p.proconfig, p.prosecdef, p.prosrc, p.probin, p.prosqlbody,
                (select concat_ws(' ', a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggtranstype, a.agginitval)
                 from pg_aggregate a where a.aggfnoid = p.oid)))
            from pg_proc p
            where p.oid = to_regprocedure(signature))), '{}')
        from unnest(signatures) signature);
end
$$;
comment on function pgtrickle._function_hashes(text[]) is
    'Hash of each function''s definition by its signature; null where it does not exist';


create or replace function pgtrickle._user_functions(query text, search_path text)
    returns text[]
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
declare
    probe constant oid := pgtrickle._create_probe(query, search_path);
    description constant record := pgtrickle._describe_probe(probe);
    signatures constant text[] := pgtrickle._user_functions_of(probe, description.sources);
begin
    perform pgtrickle._drop_probe(probe);
    return signatures;
end
$$;
comment on function pgtrickle._user_functions(text, text) is 'Signatures of the functions a query calls that are not PostgreSQL''s own';


create or replace function pgtrickle._store_functions(target bigint)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set standard_conforming_strings = on
as $$
declare
    stream_table pgtrickle.pgt_stream_tables;
    signatures text[];
begin
    select * into strict stream_table from pgtrickle.pgt_stream_tables s where s.pgt_id = target;
    signatures := pgtrickle._user_functions(stream_table.defining_query, pgtrickle._pinned_search_path(stream_table.defining_search_path));
    update pgtrickle.pgt_stream_tables s
    set functions_used = signatures,
        function_hashes = pgtrickle._function_hashes(signatures)::text
    where s.pgt_id = target;
end
$$;
comment on function pgtrickle._store_functions(bigint) is 'Remembers which functions of users a stream table''s query calls, and how they are defined';


create or replace function pgtrickle._store_dependencies(p_pgt_id bigint, sources jsonb, functions text[])
    returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    delete from pgtrickle.pgt_dependencies where pgt_id = p_pgt_id;
    insert into pgtrickle.pgt_dependencies
        (pgt_id, source_relid, source_type, columns_used, column_snapshot, schema_fingerprint, source_schema, source_name)
    select
        p_pgt_id,
        (s ->> 'relid')::oid,
        s ->> 'source_type',
        case when jsonb_typeof(s -> 'columns') = 'array' then array(select jsonb_array_elements_text(s -> 'columns')) end,
        pgtrickle._columns_as_defined((s ->> 'relid')::oid),
        pgtrickle._definition_fingerprint((s ->> 'relid')::oid),
        s ->> 'schema_name',
        s ->> 'relation_name'
    from jsonb_array_elements(sources) s;
    update pgtrickle.pgt_stream_tables s
    set functions_used = functions,
        function_hashes = pgtrickle._function_hashes(functions)::text
    where s.pgt_id = p_pgt_id
      and functions is not null;
    select pgtrickle._store_functions(p_pgt_id)
    where functions is null;
$$;
comment on function pgtrickle._store_dependencies(bigint, jsonb, text[]) is
    'Records what a stream table reads and calls, as _analyze_query found it, and how that is defined now. Functions null: those of the text that is kept, where another was analyzed';


create or replace function pgtrickle._rebind(stream_table pgtrickle.pgt_stream_tables)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    moved pgtrickle.pgt_dependencies[];
    missing text;
    rebuilt text;
begin
    select array_agg(d),
        string_agg(pgtrickle._quoted(d.source_schema, d.source_name), ', ')
            filter (where pgtrickle._relation_oid(d.source_schema, d.source_name) is null),
        string_agg(format('%s was rebuilt', pgtrickle._quoted(d.source_schema, d.source_name)), '; ' order by d.source_number, d.source_relid)
            filter (where d.source_type <> 'VIEW')
    into moved, missing, rebuilt
    from pgtrickle.pgt_dependencies d
    where d.pgt_id = stream_table.pgt_id
      and pgtrickle._relation_oid(d.source_schema, d.source_name) is distinct from d.source_relid;
    if missing is not null then
        raise exception using
            errcode = '42P01',
            message = format('stream table %I.%I cannot be refreshed: its source %s does not exist',
                stream_table.pgt_schema, stream_table.pgt_name, missing),
            hint = 'Create the source again, alter the query, or drop the stream table';
    end if;
    if moved is null then
        return null;
    end if;
    -- Deleted first, for two sources may have swapped their names.
    delete from pgtrickle.pgt_dependencies d
    using unnest(moved) m
    where d.pgt_id = m.pgt_id
      and d.source_relid = m.source_relid;
    insert into pgtrickle.pgt_dependencies
    select (jsonb_populate_record(m, jsonb_build_object(
        'source_relid', r.successor,
        'source_storage', null,
        'source_type', case when m.source_type in ('TABLE', 'STREAM_TABLE') and t.type in ('TABLE', 'STREAM_TABLE') then t.type else m.source_type end))).*
    from unnest(moved) m
    cross join lateral (select pgtrickle._relation_oid(m.source_schema, m.source_name) as successor) r
    cross join lateral (select pgtrickle._source_type(r.successor) as type) t;
    update pgtrickle.pgt_plans p
    set plan = jsonb_set(p.plan, '{sources}', (
        select jsonb_agg(
            case when d.source_relid is null then source else source || jsonb_build_object('relid', d.source_relid::bigint) end
            order by number)
        from jsonb_array_elements(p.plan -> 'sources') with ordinality s (source, number)
        left join pgtrickle.pgt_dependencies d on d.pgt_id = p.pgt_id and d.source_number = number - 1))
    where p.pgt_id = stream_table.pgt_id
      and exists (select from unnest(moved) m where m.source_number is not null);
    return rebuilt;
end
$$;
comment on function pgtrickle._rebind(pgtrickle.pgt_stream_tables) is
    'Takes the relations that bear the sources'' names now for the sources; says which are others than they were, views apart. Error 42P01 names those that do not exist';


create or replace function pgtrickle._replaced_views(target bigint)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select string_agg(
            case when t.type = 'VIEW' and d.source_type = 'VIEW'
                then format('view %s was replaced', pgtrickle._quoted(d.source_schema, d.source_name))
                else format('%s is %s now', pgtrickle._quoted(d.source_schema, d.source_name), pgtrickle._kind_of(r.oid)) end,
            '; ' order by d.source_schema, d.source_name)
        from pgtrickle.pgt_dependencies d
        cross join lateral (select pgtrickle._relation_oid(d.source_schema, d.source_name) as oid) r
        cross join lateral (select pgtrickle._source_type(r.oid) as type) t
        where d.pgt_id = target
          and r.oid is not null
          and (replace(t.type, 'STREAM_', '') <> replace(d.source_type, 'STREAM_', '')
               or d.source_type = 'VIEW' and d.schema_fingerprint <> pgtrickle._definition_fingerprint(r.oid)));
end
$$;
comment on function pgtrickle._replaced_views(bigint) is
    'Which views under a stream table''s query have another meaning now, or are no views, or which sources became views; null where none';


create or replace function pgtrickle._replaced_functions(target bigint)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select string_agg(format(case when now.value is null or now.value = 'null' then 'function %s does not exist' else 'function %s was replaced' end, former.key), '; ' order by former.key)
        from pgtrickle.pgt_stream_tables s
        cross join lateral jsonb_each(s.function_hashes::jsonb) former
        left join lateral jsonb_each(pgtrickle._function_hashes(s.functions_used)) now on now.key = former.key
        where s.pgt_id = target
          and s.functions_used <> '{}'
          and now.value is distinct from former.value);
end
$$;
comment on function pgtrickle._replaced_functions(bigint) is 'Which functions of users that a stream table''s query calls are others than they were; null where none';


create or replace function pgtrickle._altered_columns(target bigint)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select 'columns are not as they were: ' || string_agg(format('%s.%I', d.source_relid::regclass, wanted.name), ', ')
        from pgtrickle.pgt_plans p
        join pgtrickle.pgt_dependencies d on d.pgt_id = p.pgt_id and d.source_number is not null
        cross join lateral (select pgtrickle._columns_as_defined(d.source_relid) as columns offset 0) defined  -- once per source
        cross join lateral jsonb_array_elements_text(p.plan -> 'sources' -> d.source_number -> 'columns') wanted (name)
        left join lateral (select item from jsonb_array_elements(d.column_snapshot) c (item) where item ->> 'name' = wanted.name) former on true
        left join lateral (select item from jsonb_array_elements(defined.columns) c (item) where item ->> 'name' = wanted.name) present on true
        where p.pgt_id = target
          and p.plan_status = 'COMPILED'
          and (former.item ? 'not_null' and not coalesce(present.item ? 'not_null', false)
               -- Modifiers included: a varchar(3) made a varchar(10) does not fit where the plan keeps it.
               or former.item ->> 'type' is distinct from present.item ->> 'type'
               -- A label that was renamed: the rows, unwritten, print otherwise.
               or not coalesce(former.item -> 'labels' <@ (present.item -> 'labels'), true)
               -- Of a whole row, used as a value, a column more is a change too.
               or (p.plan -> 'sources' -> d.source_number -> 'whole' = 'true'::jsonb
                   and jsonb_array_length(defined.columns) <> jsonb_array_length(d.column_snapshot))));
end
$$;
comment on function pgtrickle._altered_columns(bigint) is
    'Which captured columns are gone, have other types (numeric(10,2) and numeric are two) or labels, or may be NULL now where the plan relies on it that they are not; null where none';


create or replace function pgtrickle._loses_silently(from_type oid, from_modifier integer, to_type oid, to_modifier integer)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- What merely may not fit (a bigint in an integer, a longer text) raises an error when it does not.
    with base as (
        select coalesce(nullif(f.typelem, 0), f.oid) as source, coalesce(nullif(t.typelem, 0), t.oid) as target,
            case when from_modifier >= 4 then (from_modifier - 4) & 2047 end as digits,
            case when to_modifier >= 4 then (to_modifier - 4) & 2047 end as kept
        from pg_type f, pg_type t
        where f.oid = pgtrickle._base_type(from_type)
          and t.oid = pgtrickle._base_type(to_type)
    )
    select case
            when target = any ('{int2,int4,int8}'::regtype[]) then source = any ('{float4,float8,numeric}'::regtype[])
            when target = 'numeric'::regtype then source = any ('{float4,float8}'::regtype[])
                or source = 'numeric'::regtype and kept is not null and (digits is null or digits > kept)
            when target = 'float8'::regtype then source = any ('{int8,numeric}'::regtype[])
            when target = 'float4'::regtype then source = any ('{int4,int8,float8,numeric}'::regtype[])
            when target = 'bpchar'::regtype then source <> target or from_modifier <> to_modifier and to_modifier <> -1
            when target = any ('{text,varchar}'::regtype[]) then source = 'bpchar'::regtype
            when target = any ('{date,time,timetz,timestamp,timestamptz}'::regtype[]) then
                source <> target and not (source = 'date'::regtype and target = 'timestamp'::regtype)
                or to_modifier >= 0 and (from_modifier < 0 or from_modifier > to_modifier)
            when target = 'interval'::regtype then to_modifier <> -1 and from_modifier <> to_modifier
            else source <> target and array[source, target] <@ '{json,jsonb,inet,cidr}'::regtype[]::oid[]
        end
    from base
$$;
comment on function pgtrickle._loses_silently(oid, integer, oid, integer) is
    'Whether a value of one type and modifier can become another one, without an error, by being stored in a column of another type';


create or replace function pgtrickle._check_columns_hold(stream_table pgtrickle.pgt_stream_tables)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set standard_conforming_strings = on
as $$
declare
    probe constant oid := pgtrickle._create_probe(stream_table.defining_query, pgtrickle._pinned_search_path(stream_table.defining_search_path));
    wrong record;
begin
    select a.attname, format_type(a.atttypid, a.atttypmod) as type, q.declaration
    into wrong
    from pgtrickle._probe_columns(probe) q
    join pg_attribute a on a.attrelid = stream_table.pgt_relid and a.attname = q.name and not a.attisdropped
    where pgtrickle._loses_silently(q.type, q.typmod, a.atttypid, a.atttypmod)
    order by q.position
    limit 1;
    perform pgtrickle._drop_probe(probe);
    if wrong.attname is not null then
        raise exception using
            errcode = '42804',
            message = format('column %I of %I.%I is of type %s, which does not hold the values of type %s its query gives now',
                wrong.attname, stream_table.pgt_schema, stream_table.pgt_name, wrong.type, wrong.declaration),
            hint = format('ALTER TABLE %I.%I ALTER COLUMN %I TYPE %s', stream_table.pgt_schema, stream_table.pgt_name, wrong.attname, wrong.declaration);
    end if;
    -- What is recomputed remembers the sources it was checked for.
    update pgtrickle.pgt_dependencies d
    set column_snapshot = pgtrickle._columns_as_defined(d.source_relid)
    where d.pgt_id = stream_table.pgt_id
      and d.source_number is null
      and d.column_snapshot is distinct from pgtrickle._columns_as_defined(d.source_relid);
end
$$;
comment on function pgtrickle._check_columns_hold(pgtrickle.pgt_stream_tables) is
    'Error 42804 where a column of a stream table would round or cut what its query gives, since a source has other types now';


create or replace function pgtrickle._retyped(target bigint)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (
        select
        from pgtrickle.pgt_dependencies d
        cross join lateral (select pgtrickle._columns_as_defined(d.source_relid) as columns offset 0) defined  -- once per source
        cross join lateral jsonb_array_elements(defined.columns) present (item)
        join lateral jsonb_array_elements(d.column_snapshot) former (item) on former.item ->> 'name' = present.item ->> 'name'
        where d.pgt_id = target
          and d.source_number is null
          and present.item ->> 'name' = any (d.columns_used)
          and present.item ->> 'type' <> former.item ->> 'type');
end
$$;
comment on function pgtrickle._retyped(bigint) is
    'Whether a column that a query reads, and no plan watches, has another type than when it was last looked at';


create or replace function pgtrickle._dropped_keys(target bigint)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select string_agg(format('%s is without a key it had', d.source_relid::regclass), '; ' order by d.source_number)
        from pgtrickle.pgt_dependencies d
        where d.pgt_id = target
          and d.source_number is not null
          and d.schema_fingerprint like '[%'
          and not pgtrickle._definition_fingerprint(d.source_relid)::jsonb @> d.schema_fingerprint::jsonb);
end
$$;
comment on function pgtrickle._dropped_keys(bigint) is 'Which captured sources lost a unique index that the plan may rely on; null where none';


create or replace function pgtrickle._renumbered(dependency pgtrickle.pgt_dependencies)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select exists (
            select
            from jsonb_array_elements(dependency.column_snapshot) c (item)
            join pg_attribute a on a.attrelid = dependency.source_relid and a.attname = item ->> 'name' and not a.attisdropped
            where a.attnum <> (item ->> 'number')::integer
              and a.attname = any (dependency.columns_used)));
end
$$;
comment on function pgtrickle._renumbered(pgtrickle.pgt_dependencies) is
    'Whether a column of the source was dropped and added again, or columns exchanged their names, which writes no row';


create or replace function pgtrickle._retire_plan(target bigint, reason text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Its identity stays with the table's index, until another one is installed.
    update pgtrickle.pgt_plans p
    set plan_status = 'PENDING'
    where p.pgt_id = target
      and p.plan_status = 'COMPILED';
    if not found then
        return;
    end if;
    update pgtrickle.pgt_dependencies d
    set source_number = null, source_storage = null
    where d.pgt_id = target;
    update pgtrickle.pgt_stream_tables s
    set refresh_mode = case when s.requested_refresh_mode in ('DIFFERENTIAL', 'IMMEDIATE') then s.refresh_mode else 'FULL' end,
        effective_refresh_mode = case when s.requested_refresh_mode = 'IMMEDIATE' then 'IMMEDIATE' else 'FULL' end,
        refresh_reason = 'the plan has to be compiled again, for ' || reason
    where s.pgt_id = target;
end
$$;
comment on function pgtrickle._retire_plan(bigint, text) is
    'Sets a compiled plan PENDING, because what it relies on has changed: the table is recomputed until it is compiled again';


create or replace function pgtrickle._read_anew(target bigint)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    stream_table pgtrickle.pgt_stream_tables;
    analysis record;
begin
    select * into strict stream_table from pgtrickle.pgt_stream_tables s where s.pgt_id = target;
    analysis := pgtrickle._analyze_stored(stream_table);
    perform pgtrickle._check_no_cycle(stream_table.pgt_relid, analysis.sources);
    perform pgtrickle._store_dependencies(target, analysis.sources, analysis.functions);
end
$$;
comment on function pgtrickle._read_anew(bigint) is
    'Finds out again what a stream table''s query reads, after a view in it was replaced. Errors where it reads the table itself now, or does not work any more';


create or replace function pgtrickle._follow_definitions(stream_table pgtrickle.pgt_stream_tables)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    views constant text := pgtrickle._replaced_views(stream_table.pgt_id);
    functions constant text := pgtrickle._replaced_functions(stream_table.pgt_id);
    reason constant text := nullif(concat_ws('; ', views, functions), '');
begin
    if reason is null then
        return null;
    end if;
    perform pgtrickle._retire_plan(stream_table.pgt_id, reason);
    if views is not null then
        perform pgtrickle._read_anew(stream_table.pgt_id);
    else
        perform pgtrickle._store_functions(stream_table.pgt_id);
    end if;
    return reason;
end
$$;
comment on function pgtrickle._follow_definitions(pgtrickle.pgt_stream_tables) is
    'Retires the plan where views or functions of the query were replaced by others, and remembers these; says which, null where none';
