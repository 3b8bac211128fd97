-- The canonical form of a query: what PostgreSQL itself understands it to be.
--
-- The query becomes a temporary view under the caller's search_path, and PostgreSQL's own
-- rendering of that view, under pinned settings, is its text: stars expanded, names qualified,
-- casts explicit. One rendering is not enough (aliases and casts settle on the second or third),
-- so view -> text -> view is repeated until the text stays.
--
-- Stable text can still mean something else than the user wrote (`group by a, rollup (a)` over one
-- column). So the parse tree of the user's view and of the canonical one are compared, with what
-- is presentation alone masked; where they differ, the user's own text stays the definition.
--
-- Functions users call switch jit off: compiling the catalog queries of a single lifecycle call
-- took fifty times as long as running them (1.4 s against 0.03 s, PostgreSQL 15).

create or replace function pgtrickle._query_body(query text)
    returns text
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
    -- Leading blanks, comments and parentheses away; enough to see the first word.
    select regexp_replace(query, E'^(?:[[:space:]]|--[^\n]*(?:\n|$)|/[*](?:[^*]|[*](?!/))*[*]/|[(])*', '')
$$;
comment on function pgtrickle._query_body(text) is 'The query from its first word on, without leading blanks, comments and parentheses';


create or replace function pgtrickle._check_is_query(query text)
    returns void
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
declare
    first_word text := lower(substring(pgtrickle._query_body(query) from '^[A-Za-z]+'));
begin
    if query is null then
        raise exception using
            errcode = '22004',
            message = 'the query of a stream table must not be null';
    end if;
    if btrim(pgtrickle._query_body(query), E'; \t\r\n') = '' then
        raise exception using
            errcode = '42601',
            message = 'the query of a stream table is empty';
    end if;
    if first_word is null or first_word not in ('select', 'with', 'values', 'table') then
        raise exception using
            errcode = '42601',
            message = format('the query of a stream table must be a SELECT, not %s',
                coalesce(upper(first_word), format('"%s"', left(pgtrickle._query_body(query), 20))));
    end if;
end
$$;
comment on function pgtrickle._check_is_query(text) is 'Error 42601 where the text does not begin as a query';


create or replace function pgtrickle._check_one_statement(query text)
    returns void
    language plpgsql
as $$
declare
    -- The query is read under it, and nothing else is: it may be another role's.
    path constant text := pg_catalog.current_setting('search_path');
    fence text;
    one_statement refcursor;
begin
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    -- A cursor takes exactly one statement and runs nothing before the first fetch, so a second
    -- statement in the text is refused before any of it is executed.
    if current_setting('role') = 'none' then
        perform set_config('search_path', path, true);
        open one_statement for execute query;
        close one_statement;
        return;
    end if;
    -- But it is planned, and the planner calls functions that are immutable. Where a role was taken
    -- on, such a function could lay it down again; within a SECURITY DEFINER function it cannot.
    fence := 'pgtrickle_fence_' || replace(gen_random_uuid()::text, '-', '');
    execute format(
        'create function pg_temp.%I(query text, path text) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as %L',
        fence,
        'declare one_statement refcursor; begin perform set_config(''search_path'', path, true); open one_statement for execute query; close one_statement; end');
    execute format('select pg_temp.%I($1, $2)', fence) using query, path;
    execute format('drop function pg_temp.%I(text, text)', fence);
    perform set_config('search_path', path, true);
end
$$;
comment on function pgtrickle._check_one_statement(text) is
    'Error 42P11 where a text is not exactly one statement with a result; whatever else is wrong with it is raised too. Nothing of the text runs with other rights than the current role''s';


create or replace function pgtrickle._create_probe(query text, search_path text)
    returns oid
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    -- A name nobody else has, so that probes of one session never meet.
    probe constant text := 'pgt_probe_' || replace(gen_random_uuid()::text, '-', '');
    statement constant text := format('create temporary view pg_temp.%I as ', probe) || query;
    message text;
    state text;
begin
    perform pgtrickle._check_is_query(query);
    begin
        perform set_config('search_path', $2, true);
        perform pgtrickle._check_one_statement(query);
        execute statement;
    exception
        when invalid_cursor_definition then
            raise exception using
                errcode = '42601',
                message = 'the query of a stream table must be one SELECT statement',
                hint = 'Only a trailing semicolon is allowed';
        when undefined_parameter then
            raise exception using
                errcode = '42P02',
                message = 'the query of a stream table must not have parameters ($1, $2, ...)',
                hint = 'Write the values into the query';
        when duplicate_column then
            get stacked diagnostics message = message_text;
            raise exception using
                errcode = '42701',
                message = format('the query of a stream table has two columns of one name: %s', message),
                hint = 'Give each column a name of its own with AS';
        when feature_not_supported then
            get stacked diagnostics message = message_text;
            raise exception using
                errcode = '0A000',
                message = format('the query cannot define a stream table: %s', message);
        when invalid_table_definition then
            get stacked diagnostics message = message_text, state = returned_sqlstate;
            raise exception using
                errcode = state,
                message = format('the query cannot define a stream table: %s', message),
                hint = 'It must return at least one column, each of a type a table can hold';
    end;
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    return (
        select c.oid
        from pg_class c
        where c.relname = probe
          and c.relnamespace = pg_my_temp_schema());
end
$$;
comment on function pgtrickle._create_probe(text, text) is
    'Makes a temporary view of a query under a search_path and returns its OID; errors where the text is not one query that can define a table';


create or replace function pgtrickle._drop_probe(probe oid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    execute (select format('drop view pg_temp.%I', c.relname) from pg_class c where c.oid = probe);
end
$$;
comment on function pgtrickle._drop_probe(oid) is 'Drops a temporary view made by _create_probe';


create or replace function pgtrickle._viewdef(view oid)
    returns text
    language sql
    stable
    set search_path = ''
    set quote_all_identifiers = on
    set standard_conforming_strings = on
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'postgres'
    set timezone = 'UTC'
    set bytea_output = 'hex'
    set extra_float_digits = 1
    set xmloption = 'content'
    set xmlbinary = 'base64'
    set lc_monetary = 'C'
as $$
    -- The values of CYCLE are printed as 'Y'::text, which no grammar takes there; text 'Y' it does.
    select pg_catalog.regexp_replace(
        pg_catalog.regexp_replace(
            pg_catalog.rtrim(pg_catalog.btrim(pg_catalog.pg_get_viewdef(view), E' \n'), ';'),
            '( TO | DEFAULT )NULL::(?:"(?:[^"]|"")+"|[a-z0-9_.,() ])+( DEFAULT | USING ")', '\1NULL\2', 'g'),
        '( SET "(?:[^"]|"")+" TO )(E?''(?:[^'']|'''')*''|[-+.0-9a-zA-Z]+)(?:::((?:"(?:[^"]|"")+"|[a-z0-9_.,() ])+))?( DEFAULT )(E?''(?:[^'']|'''')*''|[-+.0-9a-zA-Z]+)(?:::((?:"(?:[^"]|"")+"|[a-z0-9_.,() ])+))?( USING ")',
        '\1\3 \2\4\6 \5\7', 'g')
$$;
comment on function pgtrickle._viewdef(oid) is 'The query of a view as PostgreSQL prints it, under settings that make the text independent of the session';


create or replace function pgtrickle._create_canonical_probe(query text, columns text[])
    returns oid
    language plpgsql
    set search_path = ''
    set quote_all_identifiers = on
    set standard_conforming_strings = on
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'postgres'
    set timezone = 'UTC'
    set bytea_output = 'hex'
    set extra_float_digits = 1
    set xmloption = 'content'
    set xmlbinary = 'base64'
    set lc_monetary = 'C'
as $$
declare
    probe constant text := 'pgt_probe_' || pg_catalog.replace(pg_catalog.gen_random_uuid()::text, '-', '');
begin
    execute pg_catalog.format('create temporary view pg_temp.%I (%s) as %s', probe,
        (select pg_catalog.string_agg(pg_catalog.quote_ident(name), ', ' order by position)
         from pg_catalog.unnest(columns) with ordinality c (name, position)),
        query);
    return (
        select c.oid
        from pg_catalog.pg_class c
        where c.relname = probe
          and c.relnamespace = pg_catalog.pg_my_temp_schema());
end
$$;
comment on function pgtrickle._create_canonical_probe(text, text[]) is 'Makes a temporary view of canonical text, under the settings in which that text is read';


create or replace function pgtrickle._with_doubled_names(tree text)
    returns text
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
    set standard_conforming_strings = on
as $$
    -- Alias by alias: to find what comes twice by one regular expression took minutes in long queries.
    select string_agg(
        case
            when a.position = 1 then a.text
            when (
                select count(*) > count(distinct name)
                from regexp_matches(parsed.columns, '"(?:\\.|[^"\\]|"(?![\s)]))*"', 'g') name)
            then format('{%s}', parsed.columns) || substr(a.text, length(parsed.whole) + 1)
            else '{ALIAS :aliasname ' || a.text
        end, '' order by a.position)
    from string_to_table(tree, '{ALIAS :aliasname ') with ordinality a (text, position)
    cross join lateral (
        select found[1] as whole, found[2] as columns
        from (
            select regexp_match(a.text, '^((?:\\.|[^\s\\(){}])* :colnames \(((?:"(?:\\.|[^"\\]|"(?![\s)]))*"|\s)*)\)\})') as found
        ) match
    ) parsed
$$;
comment on function pgtrickle._with_doubled_names(text) is
    'A parse tree in which aliases that have columns of one name are those names alone: where rows are values, such columns are printed by several names';


create or replace function pgtrickle._masked_tree(view oid)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set standard_conforming_strings = on
as $$
    -- In PostgreSQL 15 the range table of a view begins with the view itself, as OLD and NEW.
    -- A quote in a column's name stands there as it is; a space is escaped.
    select replace(
        regexp_replace(
            regexp_replace(
                case when r.ev_action::text ~ ':varattno 0 ' then pgtrickle._with_doubled_names(r.ev_action::text) else r.ev_action::text end,
                '\{ALIAS :aliasname (?:\\.|[^\s\\(){}])* :colnames (?:<>|\((?:"(?:\\.|[^"\\]|"(?![\s)]))*"|\s)*\))\}', '<>', 'g'),
            ' :(?:'
                '(?:location|stmt_location|stmt_len|list_start|list_end) -?\d+'
                '|(?:varnosyn|varattnosyn|resorigtbl|resorigcol) -?\d+'
                '|selectedCols \(b[ \d]*\)'
                '|(?:funcformat|relabelformat|coerceformat|coercionformat|convertformat|row_format) \d+'
                '|operName \((?:"[^"]*"|\s)*\)'
                '|(?:alias|eref|join_using_alias) <>'
                '|isNatural (?:true|false)'
            ')(?![^\s)}])', '', 'g'),
        ':relid ' || view || ' ', ':relid self ')
    from pg_rewrite r
    where r.ev_class = view
      and r.rulename = '_RETURN'
$$;
comment on function pgtrickle._masked_tree(oid) is
    'Parse tree of a view without what is presentation alone: aliases, positions in the text, whether a cast was written or implied';


create or replace function pgtrickle._same_meaning(a oid, b oid)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with trees as materialized (
        select pgtrickle._masked_tree(a) as a, pgtrickle._masked_tree(b) as b
    )
    -- Names inside the query (the arms of a UNION are given those of the first) matter only to
    -- what looks at whole rows, such as row_to_json(t).
    select t.a = t.b
        or (t.a !~ ':varattno 0 '
            and regexp_replace(t.a, E':resname (?:\\\\.|[^\\s\\\\(){}])+', '', 'g') = regexp_replace(t.b, E':resname (?:\\\\.|[^\\s\\\\(){}])+', '', 'g'))
    from trees t
$$;
comment on function pgtrickle._same_meaning(oid, oid) is 'Whether two views have the same parse tree but for presentation';


create or replace function pgtrickle._tree_relations(view oid)
    returns table (relid oid)
    language sql
    stable
    rows 4  -- at PostgreSQL's 1000 whoever follows views through views makes room for millions
    set search_path = pg_catalog, pg_temp
as $$
    -- From the tree, not from pg_depend: dependencies on system catalogs are not recorded.
    select distinct match[1]::oid
    from pg_rewrite r
    cross join regexp_matches(r.ev_action::text, ':rtekind 0 :relid ([0-9]+)', 'g') match
    where r.ev_class = view
      and match[1]::oid <> view
$$;
comment on function pgtrickle._tree_relations(oid) is 'Relations that stand in the query of a view';


create or replace function pgtrickle._probe_sources(probe oid)
    returns table (relid oid, schema_name text, relation_name text, source_type text, direct boolean, columns text[])
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with recursive reached (reader, relid, direct) as (
        select probe, t.relid, true
        from pgtrickle._tree_relations(probe) t
        union
        select r.relid, t.relid, false
        from reached r
        join pg_class c on c.oid = r.relid and c.relkind = 'v'
        cross join lateral pgtrickle._tree_relations(r.relid) t
    ),
    used (relid, name, position) as (
        select distinct d.refobjid, a.attname, a.attnum
        from (select distinct reader from reached) r
        join pg_rewrite w on w.ev_class = r.reader
        join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
        join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid and a.attnum > 0
    )
    select
        r.relid,
        n.nspname,
        c.relname,
        case
            when exists (select from pgtrickle.pgt_stream_tables s where s.pgt_relid = c.oid) then 'STREAM_TABLE'
            else case c.relkind
                when 'r' then 'TABLE'
                when 'p' then 'TABLE'
                when 'v' then 'VIEW'
                when 'm' then 'MATVIEW'
                when 'f' then 'FOREIGN_TABLE'
                else c.relkind::text
            end
        end,
        bool_or(r.direct),
        (select array_agg(u.name::text order by u.position) from used u where u.relid = r.relid)
    from reached r
    join pg_class c on c.oid = r.relid
    join pg_namespace n on n.oid = c.relnamespace
    group by r.relid, n.nspname, c.relname, c.oid, c.relkind
    order by r.relid
$$;
comment on function pgtrickle._probe_sources(oid) is
    'Relations a view reads, directly or through views at any depth, with the columns used';


create or replace function pgtrickle._functions_called(views oid[])
    returns table (oid oid, signature text, volatility "char", is_user_defined boolean)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with called as (
        select match[1]::oid as oid
        from pg_rewrite w
        cross join regexp_matches(w.ev_action::text, ':(?:funcid|aggfnoid|winfnoid|opfuncid) ([0-9]+)', 'g') match
        where w.ev_class = any (views)
        union
        select o.oprcode::oid
        from pg_rewrite w
        cross join regexp_matches(w.ev_action::text, ':(?:opno|eqop|sortop) ([0-9]+)', 'g') match
        join pg_operator o on o.oid = match[1]::oid
        where w.ev_class = any (views)
    ),
    used as (
        select c.oid from called c
        union
        select part.oid
        from called c
        join pg_aggregate a on a.aggfnoid = c.oid and a.aggfnoid >= 16384
        cross join unnest(array[a.aggtransfn, a.aggfinalfn, a.aggcombinefn]::oid[]) part (oid)
    )
    select p.oid, format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)), p.provolatile, p.oid >= 16384
    from used u
    join pg_proc p on p.oid = u.oid
    join pg_namespace n on n.oid = p.pronamespace
$$;
comment on function pgtrickle._functions_called(oid[]) is
    'Functions that views call, directly or by operators and aggregates of users: signature as to_regprocedure reads it';


create or replace function pgtrickle._user_functions_of(probe oid, sources jsonb)
    returns text[]
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select coalesce(array_agg(f.signature order by f.signature), '{}')
        from pgtrickle._functions_called(probe || array(
            select (s ->> 'relid')::oid from jsonb_array_elements(sources) s where s ->> 'source_type' = 'VIEW')) f
        where f.is_user_defined);
end
$$;
comment on function pgtrickle._user_functions_of(oid, jsonb) is
    'Signatures of the functions that are not PostgreSQL''s own and that a view calls, or one of those it reads (sources, as _describe_probe has them)';


create or replace function pgtrickle._probe_columns(probe oid)
    returns table ("position" integer, name text, type oid, typmod integer, "collation" oid, declaration text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
    select
        row_number() over (order by a.attnum)::integer,
        a.attname::text,
        a.atttypid,
        a.atttypmod,
        a.attcollation,
        format_type(a.atttypid, a.atttypmod)
            || case when a.attcollation <> 0 and a.attcollation <> t.typcollation
                then (select format(' collate %I.%I', n.nspname, l.collname)
                      from pg_collation l join pg_namespace n on n.oid = l.collnamespace
                      where l.oid = a.attcollation)
                else '' end
    from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    where a.attrelid = probe
      and a.attnum > 0
      and not a.attisdropped
$$;
comment on function pgtrickle._probe_columns(oid) is
    'Columns of a relation in order: name, type, typmod, collation, and the declaration of all that in SQL';


create or replace function pgtrickle._describe_probe(probe oid, out columns jsonb, out sources jsonb)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    columns := (select coalesce(jsonb_agg(to_jsonb(c) order by c.position), '[]') from pgtrickle._probe_columns(probe) c);
    sources := (select coalesce(jsonb_agg(to_jsonb(s) order by s.relid), '[]') from pgtrickle._probe_sources(probe) s);
end
$$;
comment on function pgtrickle._describe_probe(oid) is 'Rows of _probe_columns and _probe_sources of a view, as JSON';


create or replace function pgtrickle._check_probe(probe oid, columns jsonb, sources jsonb)
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    bad record;
begin
    if columns = '[]' then
        raise exception using
            errcode = '42P17',
            message = 'the query of a stream table must return at least one column';
    end if;
    select c ->> 'name' as name, c ->> 'position' as position
    into bad
    from jsonb_array_elements(columns) c
    where c ->> 'name' in ('?column?', 'tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid')
       or starts_with(c ->> 'name', '__pgt_')
    order by c ->> 'name' <> '?column?', (c ->> 'position')::integer
    limit 1;
    if bad.name = '?column?' then
        raise exception using
            errcode = '42P16',
            message = format('column %s of the query has no name', bad.position),
            hint = 'Give it one with AS';
    elsif found then
        raise exception using
            errcode = '42939',
            message = format('column name "%s" is reserved', bad.name),
            hint = 'Give the column another name with AS';
    end if;
    if (select r.ev_action::text ~ ':hasForUpdate true' from pg_rewrite r where r.ev_class = probe) then
        raise exception using
            errcode = '0A000',
            message = 'the query of a stream table must not lock rows (FOR UPDATE, FOR SHARE)';
    end if;
    -- System views are looked at themselves: some read no catalog, but call what tells of a session.
    select s.*, s.schema_name in ('pg_catalog', 'information_schema', 'pg_toast') as is_system, c.relpersistence
    into bad
    from jsonb_to_recordset(sources) s (relid oid, schema_name text, relation_name text, source_type text, direct boolean)
    join pg_class c on c.oid = s.relid
    where s.schema_name in ('pg_catalog', 'information_schema', 'pg_toast')
       or c.relpersistence = 't'
       or s.source_type not in ('TABLE', 'STREAM_TABLE', 'VIEW', 'MATVIEW', 'FOREIGN_TABLE')
    order by s.direct desc, s.relid
    limit 1;
    if found then
        raise exception using
            errcode = '0A000',
            message = case
                when bad.is_system and bad.source_type = 'VIEW'
                    then format('the query reads the system view %I.%I, whose changes cannot be followed', bad.schema_name, bad.relation_name)
                when bad.is_system
                    then format('the query reads the system catalog %I.%I, whose changes cannot be followed', bad.schema_name, bad.relation_name)
                when bad.relpersistence = 't' then format('the query reads the temporary %s "%s", which ends with this session',
                    case bad.source_type when 'VIEW' then 'view' else 'table' end, bad.relation_name)
                when bad.source_type = 'S' then format('the query reads the sequence %I.%I', bad.schema_name, bad.relation_name)
                else format('the query cannot read %I.%I', bad.schema_name, bad.relation_name)
            end,
            hint = 'A stream table reads tables, foreign tables, materialized views, other stream tables, and views on these';
    end if;
end
$$;
comment on function pgtrickle._check_probe(oid, jsonb, jsonb) is
    'Errors for what a view allows and a stream table does not. columns, sources: as _describe_probe has them';


create or replace function pgtrickle._analyze_query(
        query text, search_path text,
        out canonical text, out faithful boolean, out columns jsonb, out sources jsonb, out functions text[])
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
declare
    probe oid := pgtrickle._create_probe(query, search_path);
    description record := pgtrickle._describe_probe(probe);
    names text[] := array(select c ->> 'name' from jsonb_array_elements(description.columns) c order by (c ->> 'position')::integer);
    rendered oid;
    next_text text;
begin
    perform pgtrickle._check_probe(probe, description.columns, description.sources);
    columns := description.columns;
    sources := description.sources;
    functions := pgtrickle._user_functions_of(probe, sources);
    canonical := pgtrickle._viewdef(probe);
    for round in 1 .. 8 loop
        begin
            rendered := pgtrickle._create_canonical_probe(canonical, names);
        exception
            when syntax_error_or_access_rule_violation or data_exception then
                -- PostgreSQL cannot read back what it prints, as of JSON_TABLE (...) AS t (x), or of
                -- the least interval.
                faithful := false;
                exit;
        end;
        next_text := pgtrickle._viewdef(rendered);
        faithful := pgtrickle._same_meaning(probe, rendered);
        perform pgtrickle._drop_probe(rendered);
        exit when next_text = canonical;
        canonical := next_text;
        faithful := null;
    end loop;
    faithful := coalesce(faithful, false);
    perform pgtrickle._drop_probe(probe);
end
$$;
comment on function pgtrickle._analyze_query(text, text) is
    'What PostgreSQL understands a query to be under a search_path: canonical text, whether that text provably means the same, columns, sources, functions of users';


create or replace function pgtrickle._analyze_stored(
        stream_table pgtrickle.pgt_stream_tables,
        out canonical text, out faithful boolean, out columns jsonb, out sources jsonb, out functions text[])
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set standard_conforming_strings = on
    set jit = off
as $$
begin
    select a.canonical, a.faithful, a.columns, a.sources, a.functions
    into canonical, faithful, columns, sources, functions
    from pgtrickle._analyze_query(stream_table.defining_query, pgtrickle._pinned_search_path(stream_table.defining_search_path)) a;
end
$$;
comment on function pgtrickle._analyze_stored(pgtrickle.pgt_stream_tables) is
    'As _analyze_query, of the query that a stream table has';


create or replace function pgtrickle._lasting_text(query text, canonical text, faithful boolean)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if current_setting('standard_conforming_strings') = 'on' or strpos(query, E'\\') = 0 then
        return (query);  -- RETURN QUERY without the parentheses is another statement
    end if;
    if not faithful then
        raise exception using
            errcode = '0A000',
            message = 'the query cannot be kept with its backslashes as standard_conforming_strings = off reads them',
            hint = E'Set standard_conforming_strings = on, and write E''\\n'' where a backslash is not meant as one';
    end if;
    return canonical;
end
$$;
comment on function pgtrickle._lasting_text(text, text, boolean) is
    'The text of a query as it is kept: read with standard_conforming_strings = on it means what it means in this session';


create or replace function pgtrickle._canonical_query(query text)
    returns text
    language plpgsql
    set jit = off
as $$
begin
    return (pgtrickle._analyze_query(query, pg_catalog.current_setting('search_path'))).canonical;
end
$$;
comment on function pgtrickle._canonical_query(text) is 'The query as PostgreSQL itself understands it, under the caller''s search_path: stars expanded, names qualified';


create or replace function pgtrickle._query_columns(query text)
    returns table ("position" integer, name text, type oid, typmod integer, "collation" oid, declaration text)
    language plpgsql
    set jit = off
as $$
declare
    probe oid := pgtrickle._create_probe(query, pg_catalog.current_setting('search_path'));
begin
    return query select * from pgtrickle._probe_columns(probe);
    perform pgtrickle._drop_probe(probe);
end
$$;
comment on function pgtrickle._query_columns(text) is 'Columns the query returns, under the caller''s search_path';


create or replace function pgtrickle._query_sources(query text)
    returns table (relid oid, schema_name text, relation_name text, source_type text, direct boolean, columns text[])
    language plpgsql
    set jit = off
as $$
declare
    probe oid := pgtrickle._create_probe(query, pg_catalog.current_setting('search_path'));
begin
    return query select * from pgtrickle._probe_sources(probe);
    perform pgtrickle._drop_probe(probe);
end
$$;
comment on function pgtrickle._query_sources(text) is
    'Relations the query reads, directly or through views at any depth (TABLE, STREAM_TABLE, VIEW, MATVIEW, FOREIGN_TABLE)';
