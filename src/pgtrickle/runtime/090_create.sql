-- Creating a stream table: its table, its catalog row, what it reads, its guard.

create or replace function pgtrickle._guard()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    id constant bigint := tg_argv[0]::bigint;
    sources text;
begin
    -- A partition that was detached keeps its trigger.
    if exists (
        select from pgtrickle.pgt_stream_tables s
        where s.pgt_id = id
          and s.st_partition_key is not null
          and s.pgt_relid not in (select a.relid from pg_partition_ancestors(tg_relid) a))
    then
        return null;
    end if;
    select string_agg(format('%I.%I', d.source_schema, d.source_name), ', ' order by d.source_schema, d.source_name)
    into sources
    from pgtrickle.pgt_dependencies d
    where d.pgt_id = id
      and d.source_type <> 'VIEW';
    raise exception using
        errcode = '55000',
        message = format('cannot change stream table %I.%I by %s: pgtrickle maintains it from its query', tg_table_schema, tg_table_name, tg_op),
        hint = coalesce(format('Write to what it reads (%s), then: ', sources), 'To bring it up to date: ')
            || format('select pgtrickle.refresh_stream_table(%L)', format('%I.%I', tg_table_schema, tg_table_name))
            || '. pgtrickle.alter_stream_table changes its query, pgtrickle.drop_stream_table removes it.',
        schema = tg_table_schema,
        table = tg_table_name;
end
$$;
comment on function pgtrickle._guard() is 'Trigger of every stream table: refuses all writes but those of its own refresh';


create or replace function pgtrickle._create_guard(p_pgt_id bigint)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    target pgtrickle.pgt_stream_tables;
begin
    select * into strict target from pgtrickle.pgt_stream_tables where pgt_id = p_pgt_id;
    execute pgtrickle._guard_command(target.pgt_relid, p_pgt_id);
    if target.st_partition_key is not null then
        -- Partitions to come inherit this one; its condition costs a refresh little.
        execute format(
            'create or replace trigger pgtrickle_guard_row before insert or update or delete on %I.%I for each row '
            'when (pg_catalog.current_setting(''pgtrickle.internal_refresh'', true) is distinct from %L) '
            'execute function pgtrickle._guard(%L)',
            target.pgt_schema, target.pgt_name, p_pgt_id, p_pgt_id);
        perform pgtrickle._notice_partitions(target);
    end if;
end
$$;
comment on function pgtrickle._create_guard(bigint) is 'Makes a stream table read-only to everyone but its refresh';


create or replace function pgtrickle._defining_settings()
    returns jsonb
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- What is kept is read with standard_conforming_strings = on: see _lasting_text.
    select jsonb_object_agg(name, setting) || '{"standard_conforming_strings": "on"}'
    from (
        select name, current_setting(name) as setting
        from unnest(array[
            'TimeZone', 'timezone_abbreviations', 'DateStyle', 'IntervalStyle',
            'lc_monetary', 'lc_numeric', 'lc_time',
            'extra_float_digits', 'bytea_output', 'xmlbinary', 'xmloption',
            'array_nulls', 'backslash_quote', 'transform_null_equals',
            'quote_all_identifiers', 'default_text_search_config'
        ]) name
    ) settings
$$;
comment on function pgtrickle._defining_settings() is
    'Session settings that a query''s result can depend on, as {"TimeZone": "UTC", ...}; search_path is kept apart';


create or replace function pgtrickle._options(
        refresh_mode text, diamond_consistency text, diamond_schedule_policy text, cdc_mode text,
        append_only boolean, pooler_compatibility_mode boolean, partition_by text,
        max_differential_joins integer, max_delta_fraction double precision,
        output_distribution_column text, temporal boolean, storage_backend text,
        sink text, ducklake_sink_path text, ducklake_sink_table_id bigint)
    returns jsonb
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if append_only and pgtrickle._parse_refresh_mode(refresh_mode) in ('FULL', 'IMMEDIATE') then
        raise exception using
            errcode = '0A000',
            message = format('append_only is a promise about captured changes, which refresh_mode %s does not consume', upper(refresh_mode)),
            hint = 'Leave append_only out, or use refresh_mode AUTO or DIFFERENTIAL';
    end if;
    if temporal then
        perform pgtrickle._refuse_option('temporal', 'true');
    end if;
    if output_distribution_column <> '' then
        perform pgtrickle._refuse_option('output_distribution_column', output_distribution_column);
    end if;
    if pgtrickle._parse_choice('storage_backend', storage_backend, array['heap', 'citus', 'pg_mooncake', 'none']) not in ('heap', 'none') then
        perform pgtrickle._refuse_option('storage_backend', storage_backend);
    end if;
    if lower(sink) not in ('', 'none') then
        perform pgtrickle._refuse_option('sink', sink);
    end if;
    if ducklake_sink_path <> '' then
        perform pgtrickle._refuse_option('ducklake_sink_path', ducklake_sink_path);
    end if;
    if ducklake_sink_table_id is not null then
        perform pgtrickle._refuse_option('ducklake_sink_table_id', ducklake_sink_table_id::text);
    end if;
    if pgtrickle._parse_choice('cdc_mode', cdc_mode, array['auto', 'trigger', 'wal']) = 'wal' then
        if pgtrickle._parse_refresh_mode(refresh_mode) = 'IMMEDIATE' then
            raise exception using
                errcode = '0A000',
                message = 'refresh_mode IMMEDIATE cannot have cdc_mode = ''wal''',
                detail = 'What is decoded from the log is committed already; IMMEDIATE maintains the table before',
                hint = 'Leave cdc_mode out';
        end if;
    end if;
    if max_differential_joins < 1 then
        raise exception using
            errcode = '22023',
            message = format('max_differential_joins must be at least 1, not %s', max_differential_joins);
    end if;
    if max_delta_fraction <= 0 or max_delta_fraction > 1 then
        raise exception using
            errcode = '22023',
            message = format('max_delta_fraction must be above 0 and at most 1, not %s', max_delta_fraction);
    end if;
    -- Keys are columns of the catalog; an option that was not given has none.
    return jsonb_strip_nulls(jsonb_build_object(
        'requested_refresh_mode', pgtrickle._parse_refresh_mode(refresh_mode),
        'diamond_consistency', pgtrickle._parse_choice('diamond_consistency', diamond_consistency, array['none', 'atomic']),
        'diamond_schedule_policy', pgtrickle._parse_choice('diamond_schedule_policy', diamond_schedule_policy, array['fastest', 'slowest']),
        'requested_cdc_mode', lower(cdc_mode),
        'is_append_only', append_only,
        'pooler_compatibility_mode', pooler_compatibility_mode,
        'st_partition_key', partition_by,
        'max_differential_joins', max_differential_joins,
        'max_delta_fraction', max_delta_fraction));
end
$$;
comment on function pgtrickle._options(text, text, text, text, boolean, boolean, text, integer, double precision, text, boolean, text, text, text, bigint) is
    'Checks the options create and alter share and returns those given, keyed by catalog column; error 0A000 for one this engine does not have yet';


create or replace function pgtrickle._check_diamond(diamond_consistency text, diamond_schedule_policy text)
    returns void
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if diamond_schedule_policy = 'slowest' and diamond_consistency <> 'atomic' then
        raise exception using
            errcode = '22023',
            message = 'diamond_schedule_policy "slowest" needs diamond_consistency "atomic"';
    end if;
end
$$;
comment on function pgtrickle._check_diamond(text, text) is 'Error 22023 for options on diamonds that contradict each other';


create or replace function pgtrickle._lock_name(p_schema text, p_name text)
    returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select pg_advisory_xact_lock(hashtextextended(format('pgtrickle.%I.%I', p_schema, p_name), 0))
$$;
comment on function pgtrickle._lock_name(text, text) is 'Makes those who create, alter or drop the stream table of one name wait for each other';


create or replace function pgtrickle._check_no_cycle(relation oid, sources jsonb)
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    through text;
begin
    with recursive upstream (relid, source_schema, source_name, path) as (
        select (s ->> 'relid')::oid, s ->> 'schema_name', s ->> 'relation_name', array[(s ->> 'relid')::oid]
        from jsonb_array_elements(sources) s
        union all
        select d.source_relid, d.source_schema, d.source_name, u.path || d.source_relid
        from upstream u
        join pgtrickle.pgt_stream_tables t on t.pgt_relid = u.relid
        join pgtrickle.pgt_dependencies d on d.pgt_id = t.pgt_id
        where d.source_relid <> all (u.path)
    )
    select string_agg(pgtrickle._quoted(t.pgt_schema, t.pgt_name), ' -> ' order by cardinality(u.path))
    into through
    from (select path from upstream where relid = relation limit 1) found
    cross join unnest(found.path) with ordinality step (relid, number)
    join lateral (select found.path[1:step.number::integer] as path) u on true
    join pgtrickle.pgt_stream_tables t on t.pgt_relid = step.relid;
    if through is not null then
        raise exception using
            errcode = '42P19',
            message = format('the query of stream table %s reads the table itself: %s', relation::regclass, through),
            hint = 'Stream tables must not form a cycle';
    end if;
end
$$;
comment on function pgtrickle._check_no_cycle(oid, jsonb) is 'Error 42P19 where a stream table would read itself, directly or through others';


create or replace function pgtrickle._populate(p_pgt_id bigint, mode text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('select pgtrickle_state.%I(%L)', 'refresh_' || p_pgt_id, mode);
end
$$;
comment on function pgtrickle._populate(bigint, text) is 'Runs a stream table''s executor: INITIAL fills it, REINITIALIZE recomputes it and applies the difference';


create or replace function pgtrickle._create(
        p_schema text, p_name text, query text, search_path text,
        schedule text, options jsonb, initialize boolean, settings jsonb)
    returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    id bigint := nextval('pgtrickle.pgt_stream_tables_pgt_id_seq');
    relation oid := pgtrickle._relation_oid(p_schema, p_name);
    analysis record;
    given pgtrickle.pgt_stream_tables;
    plan jsonb;
begin
    if relation is not null then
        raise exception using
            errcode = '42P07',
            message = format('cannot create stream table %I.%I: %s of that name exists', p_schema, p_name, pgtrickle._kind_of(relation)),
            hint = case when pgtrickle._kind_of(relation) = 'a stream table'
                then 'pgtrickle.create_or_replace_stream_table changes it, pgtrickle.drop_stream_table removes it'
                else 'Choose another name, or rename or drop what has this one' end;
    end if;
    analysis := pgtrickle._analyze_query(query, search_path);
    given := jsonb_populate_record(null::pgtrickle.pgt_stream_tables, options);
    if given.st_partition_key <> '' then
        given.st_partition_key := pgtrickle._partition_column(analysis.columns, given.st_partition_key);
    else
        given.st_partition_key := null;
    end if;
    execute format('create table %I.%I (%s)%s', p_schema, p_name, (
            select string_agg(format('%I %s', c ->> 'name', c ->> 'declaration'), ', ' order by (c ->> 'position')::integer)
            from jsonb_array_elements(analysis.columns) c),
        case when given.st_partition_key is not null then format(' partition by range (%I)', given.st_partition_key) end);
    if given.st_partition_key is not null then
        perform pgtrickle._create_default_partition(p_schema, p_name);
    end if;
    -- A publication FOR ALL TABLES would otherwise make deletes fail.
    execute format('alter table %I.%I replica identity full', p_schema, p_name);
    relation := pgtrickle._relation_oid(p_schema, p_name);

    perform pgtrickle._check_diamond(coalesce(given.diamond_consistency, 'atomic'), given.diamond_schedule_policy);
    insert into pgtrickle.pgt_stream_tables (
        pgt_id, pgt_relid, pgt_name, pgt_schema, defining_query, original_query, schedule,
        refresh_mode, requested_refresh_mode, diamond_consistency, diamond_schedule_policy,
        requested_cdc_mode, is_append_only, pooler_compatibility_mode, max_differential_joins, max_delta_fraction,
        defining_search_path, defining_settings, pgt_owner, st_partition_key, st_partitions)
    values (
        id, relation, p_name, p_schema,
        case when analysis.faithful then analysis.canonical else query end,
        pgtrickle._lasting_text(query, analysis.canonical, analysis.faithful),
        case when given.requested_refresh_mode is distinct from 'IMMEDIATE' then pgtrickle._parse_schedule(schedule) end,
        'FULL', coalesce(given.requested_refresh_mode, 'AUTO'),
        coalesce(given.diamond_consistency, 'atomic'), coalesce(given.diamond_schedule_policy, 'fastest'),
        given.requested_cdc_mode, coalesce(given.is_append_only, false), coalesce(given.pooler_compatibility_mode, false),
        given.max_differential_joins, given.max_delta_fraction,
        search_path, settings, (select r.oid from pg_roles r where r.rolname = current_user),
        given.st_partition_key, case when given.st_partition_key is not null then '{}'::oid[] end);
    perform pgtrickle._store_dependencies(id, analysis.sources, case when analysis.faithful then analysis.functions end);
    insert into pgtrickle.pgt_frontiers (pgt_id, cluster_id) values (id, pgtrickle._cluster_id());
    insert into pgtrickle.pgt_plans (pgt_id) values (id);
    perform pgtrickle._create_guard(id);
    -- Before the plan: it sees to it that the owner may create objects in pgtrickle_state.
    perform pgtrickle._create_executor(id);
    perform pgtrickle._set_plan(id, pgtrickle._worth_keeping(id, pgtrickle._take_offer(query, analysis.canonical, analysis.faithful)));
    if given.requested_refresh_mode = 'IMMEDIATE' then
        perform pgtrickle._settle_maintenance(id);
    end if;
    perform pgtrickle._check_wal(s) from pgtrickle.pgt_stream_tables s where s.pgt_id = id;
    if initialize then
        perform pgtrickle._populate(id, 'INITIAL');
    end if;
    return id;
end
$$;
comment on function pgtrickle._create(text, text, text, text, text, jsonb, boolean, jsonb) is
    'Creates a stream table in the schema and name given, its query read under the search_path given';


create or replace function pgtrickle.create_stream_table(
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
        output_distribution_column text default null,
        temporal boolean default false,
        storage_backend text default null,
        sink text default null,
        ducklake_sink_path text default null,
        ducklake_sink_table_id bigint default null)
    returns void
    language plpgsql
    set jit = off
as $$
declare
    target record := pgtrickle._parse_name(name);
    options jsonb := pgtrickle._options(
        refresh_mode, diamond_consistency, diamond_schedule_policy, cdc_mode, append_only,
        pooler_compatibility_mode, partition_by, max_differential_joins, max_delta_fraction,
        output_distribution_column, temporal, storage_backend,
        sink, ducklake_sink_path, ducklake_sink_table_id);
begin
    perform pgtrickle._lock_name(target.schema_name, target.object_name);
    perform pgtrickle._await_dropped(target.schema_name, target.object_name);
    perform pgtrickle._cleanup_dropped();
    perform pgtrickle._create(
        target.schema_name, target.object_name, query, pg_catalog.current_setting('search_path'),
        schedule, options, coalesce(initialize, true), pgtrickle._defining_settings());
end
$$;
comment on function pgtrickle.create_stream_table(text, text, text, text, boolean, text, text, text, boolean, boolean, text, integer, double precision, text, boolean, text, text, text, bigint) is
    'Creates a stream table: a table that stays equal to its query. With initialize it is filled at once. Installs capture and fills in the caller''s transaction, so writers of the sources wait until its end';


create or replace function pgtrickle.create_stream_table_if_not_exists(
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
        output_distribution_column text default null,
        temporal boolean default false,
        storage_backend text default null,
        sink text default null,
        ducklake_sink_path text default null,
        ducklake_sink_table_id bigint default null)
    returns void
    language plpgsql
    set jit = off
as $$
declare
    target record := pgtrickle._parse_name(name);
    options jsonb := pgtrickle._options(
        refresh_mode, diamond_consistency, diamond_schedule_policy, cdc_mode, append_only,
        pooler_compatibility_mode, partition_by, max_differential_joins, max_delta_fraction,
        output_distribution_column, temporal, storage_backend,
        sink, ducklake_sink_path, ducklake_sink_table_id);
begin
    perform pgtrickle._lock_name(target.schema_name, target.object_name);
    perform pgtrickle._await_dropped(target.schema_name, target.object_name);
    perform pgtrickle._cleanup_dropped();
    if exists (
        select from pgtrickle.pgt_stream_tables s
        where s.pgt_relid = pgtrickle._relation_oid(target.schema_name, target.object_name))
    then
        raise info 'stream table %.% already exists, skipping',
            pg_catalog.quote_ident(target.schema_name), pg_catalog.quote_ident(target.object_name);
        return;
    end if;
    perform pgtrickle._create(
        target.schema_name, target.object_name, query, pg_catalog.current_setting('search_path'),
        schedule, options, coalesce(initialize, true), pgtrickle._defining_settings());
end
$$;
comment on function pgtrickle.create_stream_table_if_not_exists(text, text, text, text, boolean, text, text, text, boolean, boolean, text, integer, double precision, text, boolean, text, text, text, bigint) is
    'As create_stream_table; does nothing where a stream table of that name exists, whatever its query';
