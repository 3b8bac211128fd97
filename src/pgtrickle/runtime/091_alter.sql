-- Altering a stream table: its options and its query.
--
-- A changed query keeps the table: what becomes of its columns is in 088.

create or replace function pgtrickle._refill(p_pgt_id bigint, columns jsonb, plan jsonb)
    returns text[]
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    started constant timestamptz := clock_timestamp();
    staging constant text := 'pgt_staging_' || p_pgt_id;
    target pgtrickle.pgt_stream_tables;
    frontier pgtrickle.pgt_frontiers;
    own_seq constant bigint := pgtrickle._own_sequence();
    filled record;
    applied record;
    commands text[];
    outcome pgtrickle.refresh_outcome;
begin
    select s.* into strict target from pgtrickle.pgt_stream_tables s where s.pgt_id = p_pgt_id;
    select f.* into frontier from pgtrickle.pgt_frontiers f where f.pgt_id = p_pgt_id;
    -- The new result first, beside the table: until it is there, readers are served as before.
    execute format('create temporary table pg_temp.%I (%s) on commit drop', staging, (
        select string_agg(format('%I %s', c ->> 'name', c ->> 'declaration'), ', ' order by (c ->> 'position')::integer)
        from jsonb_array_elements(columns) c));
    perform pgtrickle._lock_sources(p_pgt_id);
    perform pgtrickle._remember_storage(p_pgt_id);
    filled := pgtrickle._apply(target,
        pgtrickle._populate_sql(format('pg_temp.%I', staging)::regclass, coalesce(plan ->> 'result', target.defining_query), coalesce(plan -> 'state', '[]')),
        frontier);
    execute format('analyze pg_temp.%I', staging);

    perform pgtrickle._drop_identity(p_pgt_id);
    commands := pgtrickle._change_columns(target.pgt_relid, columns);
    applied := pgtrickle._recompute_counted(target, format('select * from pg_temp.%I', staging), pgtrickle._plan_key(plan), '[]', frontier);
    execute format('drop table pg_temp.%I', staging);
    update pgtrickle.pgt_frontiers f
    set snapshot = case when plan ->> 'mode' = 'DIFFERENTIAL' then filled.snapshot end,
        own_xid = pg_current_xact_id(),
        own_seq = _refill.own_seq,
        cluster_id = pgtrickle._cluster_id(),
        moment = transaction_timestamp(),
        statement_moment = statement_timestamp(),
        states_are_empty = false
    from (select own_seq) _refill
    where f.pgt_id = p_pgt_id;
    outcome.pgt_id := p_pgt_id;
    outcome.status := 'COMPLETED';
    outcome.action := 'REINITIALIZE';
    outcome.reason := 'the query changed, and with it the columns';
    outcome.was_full_fallback := false;
    outcome.rows_inserted := applied.rows_inserted;
    outcome.rows_deleted := applied.rows_deleted;
    outcome.duration_ms := 1000 * extract(epoch from clock_timestamp() - started);
    perform pgtrickle._record_success(outcome, started, 'MANUAL', coalesce(plan ->> 'mode' = 'DIFFERENTIAL', false));
    return commands;
end
$$;
comment on function pgtrickle._refill(bigint, jsonb, jsonb) is
    'Computes a stream table''s new result, then gives the table the new columns and applies the difference; readers wait for the latter only. Returns the commands that rebuild what hung on the old columns';


create or replace function pgtrickle._alter_query(target pgtrickle.pgt_stream_tables, query text, search_path text, settings jsonb)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    former_sources constant oid[] := pgtrickle._sources(target.pgt_id);
    former_identity jsonb := (select p.plan -> 'identity' from pgtrickle.pgt_plans p where p.pgt_id = target.pgt_id);
    analysis record := pgtrickle._analyze_query(query, search_path);
    same_columns constant boolean := pgtrickle._same_columns(target.pgt_relid, analysis.columns);
    changed record := pgtrickle._changed_attributes(target.pgt_relid, analysis.columns);
    used jsonb;
    commands text[] := '{}';
begin
    perform pgtrickle._check_no_cycle(target.pgt_relid, analysis.sources);
    perform pgtrickle._check_partition_column_stays(target, changed.dropped || changed.retyped);
    perform pgtrickle._check_rebuildable(target, changed.dropped || changed.retyped);
    perform pgtrickle._lock_frontier(target.pgt_id, true);
    update pgtrickle.pgt_stream_tables s
    set defining_query = case when analysis.faithful then analysis.canonical else _alter_query.query end,
        original_query = pgtrickle._lasting_text(_alter_query.query, analysis.canonical, analysis.faithful),
        defining_search_path = _alter_query.search_path,
        defining_settings = settings,
        -- A suspended table is filled too, or it would show the old query's rows under the new one.
        status = case when s.status = 'SUSPENDED' then 'ACTIVE' else s.status end,
        updated_at = now()
    where s.pgt_id = target.pgt_id;
    perform pgtrickle._store_dependencies(target.pgt_id, analysis.sources, case when analysis.faithful then analysis.functions end);
    used := pgtrickle._replace_plan(target.pgt_id,
        pgtrickle._worth_keeping(target.pgt_id, pgtrickle._take_offer(query, analysis.canonical, analysis.faithful)));
    perform pgtrickle._create_executor(target.pgt_id);
    if target.requested_refresh_mode = 'IMMEDIATE' then
        perform pgtrickle._settle_maintenance(target.pgt_id);
    end if;
    if same_columns then
        if used -> 'identity' is distinct from former_identity then
            perform pgtrickle._drop_identity(target.pgt_id);
            former_identity := null;
        end if;
        if target.is_populated then
            perform pgtrickle._populate(target.pgt_id, 'REINITIALIZE');
        end if;
    else
        former_identity := null;
        if target.is_populated then
            commands := pgtrickle._refill(target.pgt_id, analysis.columns, used);
        else
            perform pgtrickle._drop_identity(target.pgt_id);
            commands := pgtrickle._change_columns(target.pgt_relid, analysis.columns);
        end if;
    end if;
    perform pgtrickle._rebuild(target, commands);
    if used -> 'identity' is not null and former_identity is null then
        perform pgtrickle._ensure_identity(target.pgt_id, used -> 'identity');
    end if;
    if target.status = 'SUSPENDED' then
        perform pgtrickle._alter_status(target, 'SUSPENDED');
    end if;
    perform pgtrickle._release_captures(former_sources);
end
$$;
comment on function pgtrickle._alter_query(pgtrickle.pgt_stream_tables, text, text, jsonb) is
    'Gives a stream table another query: columns, plan, dependencies, contents';


create or replace function pgtrickle._alter_options(target pgtrickle.pgt_stream_tables, options jsonb)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    altered pgtrickle.pgt_stream_tables := jsonb_populate_record(target, options);
begin
    perform pgtrickle._check_diamond(altered.diamond_consistency, altered.diamond_schedule_policy);
    if options ? 'st_partition_key' then
        perform pgtrickle._check_partitioning_stays(target, options ->> 'st_partition_key');
    end if;
    update pgtrickle.pgt_stream_tables s
    set schedule = case when altered.requested_refresh_mode <> 'IMMEDIATE' then altered.schedule end,
        diamond_consistency = altered.diamond_consistency,
        diamond_schedule_policy = altered.diamond_schedule_policy,
        requested_cdc_mode = altered.requested_cdc_mode,
        is_append_only = altered.is_append_only,
        pooler_compatibility_mode = altered.pooler_compatibility_mode,
        refresh_tier = altered.refresh_tier,
        max_differential_joins = altered.max_differential_joins,
        max_delta_fraction = altered.max_delta_fraction,
        fuse_mode = altered.fuse_mode,
        fuse_ceiling = altered.fuse_ceiling,
        fuse_sensitivity = altered.fuse_sensitivity,
        fuse_state = case
            when not options ? 'fuse_mode' then s.fuse_state
            when altered.fuse_mode = 'off' then 'disabled'
            when s.fuse_state = 'disabled' then 'armed'
            else s.fuse_state end,
        blown_at = case when options ->> 'fuse_mode' = 'off' then null else s.blown_at end,
        blow_reason = case when options ->> 'fuse_mode' = 'off' then null else s.blow_reason end,
        updated_at = now()
    where s.pgt_id = target.pgt_id;
    perform pgtrickle._check_wal(altered) where options ? 'requested_cdc_mode' or options ? 'requested_refresh_mode';
end
$$;
comment on function pgtrickle._alter_options(pgtrickle.pgt_stream_tables, jsonb) is
    'Sets the options given, keyed by catalog column, that need nothing else done';


create or replace function pgtrickle._alter_mode(target pgtrickle.pgt_stream_tables, mode text, has_new_plan boolean)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    offered jsonb;
    present pgtrickle.pgt_plans;
begin
    update pgtrickle.pgt_stream_tables s
    set requested_refresh_mode = mode, updated_at = now()
    where s.pgt_id = target.pgt_id;
    if has_new_plan or mode = target.requested_refresh_mode then
        perform pgtrickle._settle_mode(target.pgt_id);
        if 'IMMEDIATE' in (mode, target.requested_refresh_mode) and mode <> target.requested_refresh_mode then
            perform pgtrickle._settle_maintenance(target.pgt_id);
        end if;
        return;
    end if;
    select p.* into present from pgtrickle.pgt_plans p where p.pgt_id = target.pgt_id;
    offered := pgtrickle._take_offer(target.original_query, target.defining_search_path);
    if mode in ('DIFFERENTIAL', 'IMMEDIATE') and offered is null and present.plan ? 'outweighed' then
        perform pgtrickle._set_plan(target.pgt_id, null);  -- to be compiled once more
    elsif mode = 'FULL' or offered is not null
        or (mode in ('DIFFERENTIAL', 'IMMEDIATE') and present.plan_status = 'COMPILED'
            and pgtrickle._plan_under(mode, present.plan) ->> 'mode' = 'FULL')
    then
        perform pgtrickle._set_plan(target.pgt_id, coalesce(pgtrickle._worth_keeping(target.pgt_id, offered), present.plan));
        update pgtrickle.pgt_stream_tables s
        set needs_reinit = s.needs_reinit or (s.is_populated and s.effective_refresh_mode in ('DIFFERENTIAL', 'IMMEDIATE'))
        where s.pgt_id = target.pgt_id;
    else
        perform pgtrickle._settle_mode(target.pgt_id);
    end if;
    if 'IMMEDIATE' in (mode, target.requested_refresh_mode) then
        perform pgtrickle._settle_maintenance(target.pgt_id);
        if target.is_populated and target.status <> 'SUSPENDED' then
            -- Writers are kept out by now: what they wrote is caught up with, what follows maintains itself.
            perform pgtrickle._populate(target.pgt_id, null);
        end if;
    end if;
end
$$;
comment on function pgtrickle._alter_mode(pgtrickle.pgt_stream_tables, text, boolean) is
    'Sets the mode asked for; error 0A000 where DIFFERENTIAL or IMMEDIATE is known to be impossible';


create or replace function pgtrickle._catch_up(target bigint)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select
        from pgtrickle.pgt_stream_tables s
        where s.pgt_id = target
          and s.refresh_mode = 'IMMEDIATE'
          and s.is_populated
          and s.status <> 'SUSPENDED')
    then
        perform pgtrickle._populate(target, null);
    end if;
end
$$;
comment on function pgtrickle._catch_up(bigint) is
    'Refreshes an IMMEDIATE stream table that is no longer suspended; its writers must be locked out';


create or replace function pgtrickle._alter_status(target pgtrickle.pgt_stream_tables, status text)
    returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    update pgtrickle.pgt_stream_tables s
    set status = $2,
        consecutive_errors = case when $2 = 'ACTIVE' then 0 else s.consecutive_errors end,
        last_error_message = case when $2 = 'ACTIVE' then null else s.last_error_message end,
        last_error_code = case when $2 = 'ACTIVE' then null else s.last_error_code end,
        last_error_at = case when $2 = 'ACTIVE' then null else s.last_error_at end,
        updated_at = now()
    where s.pgt_id = target.pgt_id
$$;
comment on function pgtrickle._alter_status(pgtrickle.pgt_stream_tables, text) is 'Sets the status; ACTIVE also forgets past errors';


create or replace function pgtrickle._fuse_options(fuse text, fuse_ceiling bigint, fuse_sensitivity integer)
    returns jsonb
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
declare
    mode constant text := pgtrickle._parse_choice('fuse', fuse, array['off', 'on', 'auto']);
begin
    if fuse_ceiling < 1 then
        raise exception using
            errcode = '22023',
            message = format('fuse_ceiling must be at least 1, not %s', fuse_ceiling),
            hint = 'fuse => ''off'' lets any number of changes pass';
    end if;
    if fuse_sensitivity < 1 then
        raise exception using
            errcode = '22023',
            message = format('fuse_sensitivity must be at least 1, not %s', fuse_sensitivity);
    end if;
    return jsonb_strip_nulls(jsonb_build_object('fuse_mode', mode, 'fuse_ceiling', fuse_ceiling, 'fuse_sensitivity', fuse_sensitivity));
end
$$;
comment on function pgtrickle._fuse_options(text, bigint, integer) is 'Checks the options of the fuse and returns those given, keyed by catalog column';


create or replace function pgtrickle._options_of_alter(
        status text, tier text, fuse text, fuse_ceiling bigint, fuse_sensitivity integer,
        post_refresh_action text, reindex_drift_threshold double precision)
    returns jsonb
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pgtrickle._parse_choice('status', status, array['initializing', 'active', 'suspended', 'error', 'paused']);
    if pgtrickle._parse_choice('post_refresh_action', post_refresh_action, array['none', 'analyze', 'reindex', 'reindex_if_drift']) <> 'none' then
        perform pgtrickle._refuse_option('post_refresh_action', post_refresh_action);
    end if;
    if reindex_drift_threshold is not null then
        perform pgtrickle._refuse_option('reindex_drift_threshold', reindex_drift_threshold::text);
    end if;
    -- The status is not among them: setting it has effects.
    return pgtrickle._fuse_options(fuse, fuse_ceiling, fuse_sensitivity) || jsonb_strip_nulls(jsonb_build_object(
        'refresh_tier', pgtrickle._parse_choice('tier', tier, array['hot', 'warm', 'cold', 'frozen'])));
end
$$;
comment on function pgtrickle._options_of_alter(text, text, text, bigint, integer, text, double precision) is
    'Checks the options that alter alone takes and returns those given, keyed by catalog column; the status is only checked';


create or replace function pgtrickle._alter(
        target pgtrickle.pgt_stream_tables, options jsonb, query text, search_path text, settings jsonb, wanted_status text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pgtrickle._lock_writers(target);
    perform pgtrickle._alter_options(target, options);
    perform pgtrickle._name_default_partition(target);
    if options ? 'requested_refresh_mode' then
        perform pgtrickle._alter_mode(target, options ->> 'requested_refresh_mode', query is not null);
    end if;
    if query is not null then
        perform pgtrickle._alter_query(pgtrickle._find_by_name(target.pgt_schema, target.pgt_name), query, search_path, settings);
    end if;
    if wanted_status is not null then
        perform pgtrickle._alter_status(target, upper(wanted_status));
        perform pgtrickle._catch_up(target.pgt_id);
    end if;
end
$$;
comment on function pgtrickle._alter(pgtrickle.pgt_stream_tables, jsonb, text, text, jsonb, text) is
    'Changes what is given of a stream table: options by catalog column, query, status. Call it as its owner';


create or replace function pgtrickle.alter_stream_table(
        name text,
        query text default null,
        schedule text default null,
        refresh_mode text default null,
        status text default null,
        diamond_consistency text default null,
        diamond_schedule_policy text default null,
        cdc_mode text default null,
        append_only boolean default null,
        pooler_compatibility_mode boolean default null,
        tier text default null,
        fuse text default null,
        fuse_ceiling bigint default null,
        fuse_sensitivity integer default null,
        partition_by text default null,
        max_differential_joins integer default null,
        max_delta_fraction double precision default null,
        post_refresh_action text default null,
        reindex_drift_threshold double precision default null,
        sink text default null,
        ducklake_sink_path text default null,
        ducklake_sink_table_id bigint default null)
    returns void
    language plpgsql
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables;
    options jsonb := pgtrickle._options(
        refresh_mode, diamond_consistency, diamond_schedule_policy, cdc_mode, append_only,
        pooler_compatibility_mode, partition_by, max_differential_joins, max_delta_fraction,
        null, null, null, sink, ducklake_sink_path, ducklake_sink_table_id);
    wanted_status constant text := pg_catalog.lower(status);
    search_path constant text := pg_catalog.current_setting('search_path');
    settings constant jsonb := pgtrickle._defining_settings();
begin
    options := options || pgtrickle._options_of_alter(
        status, tier, fuse, fuse_ceiling, fuse_sensitivity, post_refresh_action, reindex_drift_threshold);
    if schedule is not null then
        options := options || pg_catalog.jsonb_build_object('schedule', pgtrickle._parse_schedule(schedule));
    end if;

    perform pgtrickle._cleanup_dropped();
    target := pgtrickle._find(name);
    perform pgtrickle._lock_name(target.pgt_schema, target.pgt_name);
    perform pgtrickle._as_owner(target, pg_catalog.format(
        'select null::text from pgtrickle._alter(pgtrickle._stream_table(%s), %L, %L, %L, %L, %L)',
        target.pgt_id, options, query, search_path, settings, case wanted_status when 'paused' then 'suspended' else wanted_status end));
end
$$;
comment on function pgtrickle.alter_stream_table(text, text, text, text, text, text, text, text, boolean, boolean, text, text, bigint, integer, text, integer, double precision, text, double precision, text, text, bigint) is
    'Changes a stream table; null keeps what is. A new query changes columns and contents in place, in this transaction';


create or replace function pgtrickle._reads_as(query text, search_path text, canonical text)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
declare
    probe oid;
    names text[];
    rendering text;
    next_rendering text;
begin
    probe := pgtrickle._create_probe(query, search_path);
    names := array(select c.name from pgtrickle._probe_columns(probe) c order by c.position);
    rendering := pgtrickle._viewdef(probe);
    perform pgtrickle._drop_probe(probe);
    -- The rendering of a canonical text is that text, so whoever comes by it has arrived.
    for round in 1 .. 8 loop
        exit when rendering = canonical;
        probe := pgtrickle._create_canonical_probe(rendering, names);
        next_rendering := pgtrickle._viewdef(probe);
        perform pgtrickle._drop_probe(probe);
        exit when next_rendering = rendering;
        rendering := next_rendering;
    end loop;
    return rendering = canonical;
exception when syntax_error_or_access_rule_violation or feature_not_supported then
    return false;
end
$$;
comment on function pgtrickle._reads_as(text, text, text) is
    'Whether this is the canonical text of a query; false where the query does not work';


create or replace function pgtrickle._same_query(target pgtrickle.pgt_stream_tables, query text, search_path text)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    given record;
    present record;
begin
    if query = target.original_query
        and search_path = target.defining_search_path
        and pgtrickle._reads_as(query, search_path, target.defining_query)
    then
        return true;
    end if;
    -- Both sides as they are understood today: a source may have got columns since.
    given := pgtrickle._analyze_query(query, search_path);
    present := pgtrickle._analyze_stored(target);
    -- Canonical texts of what they do not express say nothing of each other.
    return given.canonical = present.canonical
        and (given.faithful and present.faithful or query = target.original_query);
exception when syntax_error_or_access_rule_violation then
    -- The stored query does not work any more. If the new one does not either, the alter says so.
    return false;
end
$$;
comment on function pgtrickle._same_query(pgtrickle.pgt_stream_tables, text, text) is
    'Whether a query means the same as the one a stream table has, however it is written';


create or replace function pgtrickle._has_plan_of(target pgtrickle.pgt_stream_tables, refresh_mode text, compiler text)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (
        select
        from pgtrickle.pgt_plans p
        where p.pgt_id = target.pgt_id
          and p.plan_status = 'COMPILED'
          and p.plan ->> 'compiler' = compiler
          -- One that cannot be had is refused again, with the construct.
          and (p.plan ->> 'mode' = 'DIFFERENTIAL' or target.requested_refresh_mode = 'AUTO')
          and upper(refresh_mode) = target.requested_refresh_mode);
end
$$;
comment on function pgtrickle._has_plan_of(pgtrickle.pgt_stream_tables, text, text) is
    'Whether a stream table has the plan that this compiler would make for this refresh mode, its query being the same';


create or replace function pgtrickle._wants_plan(
        target pgtrickle.pgt_stream_tables, query text, search_path text, refresh_mode text, compiler text)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (pgtrickle._has_plan_of(target, refresh_mode, compiler)
        and query = target.original_query
        and search_path = target.defining_search_path
        and pgtrickle._reads_as(query, search_path, target.defining_query)) is not true;
end
$$;
comment on function pgtrickle._wants_plan(pgtrickle.pgt_stream_tables, text, text, text, text) is
    'As the one below; call it as the stream table''s owner';


create or replace function pgtrickle._wants_plan(name text, query text, refresh_mode text, compiler text)
    returns boolean
    language plpgsql
as $$
declare
    wanted record := pgtrickle._parse_name(name);
    target pgtrickle.pgt_stream_tables := pgtrickle._find_by_name(wanted.schema_name, wanted.object_name);
    search_path constant text := pg_catalog.current_setting('search_path');
begin
    if target.pgt_id is null or not pg_catalog.pg_has_role(target.pgt_owner, 'USAGE'::text) then
        return true;
    end if;
    return (
        select wants::boolean
        from pgtrickle._as_owner(target, pg_catalog.format(
            'select pgtrickle._wants_plan(pgtrickle._stream_table(%s), %L, %L, %L, %L)::text',
            target.pgt_id, query, search_path, refresh_mode, compiler)) wants);
end
$$;
comment on function pgtrickle._wants_plan(text, text, text, text) is
    'Whether to compile a query before it is given to create_or_replace_stream_table: false where the stream table of this name has it already, with a plan of this compiler''s for this refresh mode';


create or replace function pgtrickle._declared(schedule text, options jsonb)
    returns jsonb
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return jsonb_build_object(
            'schedule', case when options ->> 'requested_refresh_mode' is distinct from 'IMMEDIATE' then pgtrickle._parse_schedule(schedule) end,
            'requested_refresh_mode', 'AUTO',
            'diamond_consistency', 'atomic',
            'diamond_schedule_policy', 'fastest',
            'requested_cdc_mode', null,
            'is_append_only', false,
            'pooler_compatibility_mode', false,
            'st_partition_key', null,
            'max_differential_joins', null,
            'max_delta_fraction', null)
        || options;
end
$$;
comment on function pgtrickle._declared(text, jsonb) is
    'The options of a declaration, keyed by catalog column; those that were not given are at their defaults';


create or replace function pgtrickle._create_or_alter(
        target pgtrickle.pgt_stream_tables, query text, search_path text, schedule text, options jsonb,
        initialize boolean, settings jsonb)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    declared constant jsonb := pgtrickle._declared(schedule, options);
    same_query boolean;
    offered jsonb;
    present pgtrickle.pgt_plans;
begin
    perform pgtrickle._lock_writers(target);
    same_query := pgtrickle._same_query(target, query, search_path);
    perform pgtrickle._alter_options(target, declared)
    where to_jsonb(target) @> (declared - 'requested_refresh_mode') is not true;
    if target.requested_refresh_mode <> declared ->> 'requested_refresh_mode' then
        perform pgtrickle._alter_mode(target, declared ->> 'requested_refresh_mode', not same_query);
    end if;
    if not same_query then
        perform pgtrickle._alter_query(pgtrickle._find_by_name(target.pgt_schema, target.pgt_name), query, search_path, settings);
    else
        perform pgtrickle._rebind(target);
        perform pgtrickle._follow_definitions(target);
        -- A compiler that is at hand may have better to offer than what the table has.
        select p.* into present from pgtrickle.pgt_plans p where p.pgt_id = target.pgt_id;
        if present.plan_status = 'PENDING' or pgtrickle._is_offered(query, present.plan ->> 'compiler') then
            offered := pgtrickle._take_offer(query, search_path);
        end if;
        if offered is not null then
            perform pgtrickle._set_plan(target.pgt_id, pgtrickle._worth_keeping(target.pgt_id, offered));
            update pgtrickle.pgt_stream_tables s
            set needs_reinit = s.needs_reinit or (s.is_populated and s.effective_refresh_mode in ('DIFFERENTIAL', 'IMMEDIATE'))
            where s.pgt_id = target.pgt_id;
        end if;
    end if;
    if initialize and not target.is_populated then
        perform pgtrickle._populate(target.pgt_id, 'INITIAL');
    end if;
end
$$;
comment on function pgtrickle._create_or_alter(pgtrickle.pgt_stream_tables, text, text, text, jsonb, boolean, jsonb) is
    'Brings an existing stream table in line with a declaration, in which what is not given is at its default; does nothing where all is equal';


create or replace function pgtrickle.create_or_replace_stream_table(
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
        storage_backend text default null)
    returns void
    language plpgsql
    set jit = off
as $$
declare
    wanted record := pgtrickle._parse_name(name);
    options jsonb := pgtrickle._options(
        refresh_mode, diamond_consistency, diamond_schedule_policy, cdc_mode, append_only,
        pooler_compatibility_mode, partition_by, max_differential_joins, max_delta_fraction,
        output_distribution_column, temporal, storage_backend, null, null, null);
    search_path constant text := pg_catalog.current_setting('search_path');
    settings constant jsonb := pgtrickle._defining_settings();
    target pgtrickle.pgt_stream_tables;
begin
    perform pgtrickle._lock_name(wanted.schema_name, wanted.object_name);
    perform pgtrickle._await_dropped(wanted.schema_name, wanted.object_name);
    perform pgtrickle._cleanup_dropped();
    target := pgtrickle._find_by_name(wanted.schema_name, wanted.object_name);
    if target.pgt_id is null then
        perform pgtrickle._create(
            wanted.schema_name, wanted.object_name, query, search_path,
            schedule, options, coalesce(initialize, true), settings);
    else
        perform pgtrickle._as_owner(target, pg_catalog.format(
            'select null::text from pgtrickle._create_or_alter(pgtrickle._stream_table(%s), %L, %L, %L, %L, %L, %L)',
            target.pgt_id, query, search_path, schedule, options, coalesce(initialize, true), settings));
    end if;
end
$$;
comment on function pgtrickle.create_or_replace_stream_table(text, text, text, text, boolean, text, text, text, boolean, boolean, text, integer, double precision, text, boolean, text) is
    'Creates the stream table, or alters it where query or options differ from those it has; an option left out is at its default. A query that is only written differently changes nothing';
