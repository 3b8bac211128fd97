-- What can be told of a query and of options without a compiler and without creating anything.

create or replace function pgtrickle._probe_findings(probe oid)
    returns table (check_name text, result text, severity text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with obstacle as (
        select s.relid, pgtrickle._quoted(s.schema_name, s.relation_name) as name, lower(replace(s.source_type, '_', ' ')) as kind,
            case when s.source_type <> 'VIEW' then
                coalesce(
                    pgtrickle._not_capturable(s.relid),
                    case when pgtrickle._row_security_applies(s.relid, current_user)
                        then format('row security of %s applies to role %I', s.relid::regclass, current_user) end,
                    (select format('role %I may not create triggers on %s', current_user, m::regclass)
                     from pgtrickle._members(s.relid) m
                     where not has_table_privilege(m, 'TRIGGER')
                     limit 1))
            end as reason
        from pgtrickle._probe_sources(probe) s
    ),
    finding (number, check_name, result, severity) as (
        select 2, 'source',
            format('%s (%s): %s', o.name, o.kind,
                case when o.kind = 'view' then 'is replaced by its definition'
                    when o.reason is null then 'changes can be captured'
                    else 'changes cannot be captured: ' || o.reason end),
            case when o.reason is null then 'INFO' else 'WARNING' end
        from obstacle o
        union all
        select 2, 'source', 'the query reads no table, so it never changes', 'WARNING'
        where not exists (select from obstacle o where o.kind <> 'view')
        union all
        select 3, 'volatility',
            case f.volatility when 'v' then format('%s is volatile: it may give another value at each call', f.signature)
                else format('%s is stable and a user''s own: it may read anything', f.signature) end,
            'WARNING'
        from pgtrickle._functions_called(probe || array(select o.relid from obstacle o where o.kind = 'view')) f
        where f.volatility = 'v' or (f.volatility = 's' and f.is_user_defined)
    )
    select f.check_name, f.result, f.severity
    from (
        select * from finding
        union all
        select 4, 'resolved_refresh_mode',
            case when exists (select from finding f where f.severity = 'WARNING')
                then 'FULL: recomputed, and the difference applied'
                else 'DIFFERENTIAL, unless the compiler finds an obstacle: pgtrickle explain tells' end,
            'INFO'
    ) f
    order by f.number, f.check_name, f.result
$$;
comment on function pgtrickle._probe_findings(oid) is 'What validate_query tells of a query that can define a stream table';


create or replace function pgtrickle.validate_query(query text)
    returns table (check_name text, result text, severity text)
    language plpgsql
    set jit = off
as $$
declare
    probe oid;
    description record;
    message text;
    hint text;
begin
    begin
        probe := pgtrickle._create_probe(query, pg_catalog.current_setting('search_path'));
        description := pgtrickle._describe_probe(probe);
        perform pgtrickle._check_probe(probe, description.columns, description.sources);
    exception when others then
        get stacked diagnostics message = message_text, hint = pg_exception_hint;
        return query select 'valid', pg_catalog.concat_ws('. ', message, nullif(hint, '')), 'ERROR';
        return;
    end;
    return query select 'valid', 'the query can define a stream table', 'INFO';
    return query select f.check_name, f.result, f.severity from pgtrickle._probe_findings(probe) f;
    perform pgtrickle._drop_probe(probe);
end
$$;
comment on function pgtrickle.validate_query(text) is
    'What the database alone can tell of a query, read under the caller''s search_path: whether it can define a stream table (severity ERROR where not), what it reads, and what forces it to be recomputed (WARNING)';


create or replace function pgtrickle._check_option(option text, options jsonb, columns text[])
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    value constant text := options ->> option;
    -- What most options may be depends on the mode.
    given constant jsonb := jsonb_build_object('refresh_mode', options -> 'refresh_mode', option, options -> option);
begin
    case
        when option in ('query', 'initialize') then
            null;
        when option = 'name' then
            perform pgtrickle._parse_name(value);
        when option = 'schedule' then
            if upper(options ->> 'refresh_mode') is distinct from 'IMMEDIATE' then
                perform pgtrickle._parse_schedule(value);
            end if;
        when option = 'partition_by' then
            if value <> '' and columns is not null then
                perform pgtrickle._partition_column((
                        select jsonb_agg(jsonb_build_object('name', c.name, 'position', c.position))
                        from unnest(columns) with ordinality c (name, position)),
                    value);
            end if;
        when option in ('status', 'tier', 'fuse', 'fuse_ceiling', 'fuse_sensitivity', 'post_refresh_action', 'reindex_drift_threshold') then
            perform pgtrickle._options_of_alter(
                o.status, o.tier, o.fuse, o.fuse_ceiling, o.fuse_sensitivity, o.post_refresh_action, o.reindex_drift_threshold)
            from jsonb_to_record(given) o (
                status text, tier text, fuse text, fuse_ceiling bigint, fuse_sensitivity integer,
                post_refresh_action text, reindex_drift_threshold double precision);
        when option in ('refresh_mode', 'diamond_consistency', 'diamond_schedule_policy', 'cdc_mode', 'append_only',
                'pooler_compatibility_mode', 'max_differential_joins', 'max_delta_fraction', 'output_distribution_column',
                'temporal', 'storage_backend', 'sink', 'ducklake_sink_path', 'ducklake_sink_table_id') then
            perform pgtrickle._options(
                o.refresh_mode, o.diamond_consistency, o.diamond_schedule_policy, o.cdc_mode, o.append_only,
                o.pooler_compatibility_mode, null, o.max_differential_joins, o.max_delta_fraction,
                o.output_distribution_column, o.temporal, o.storage_backend,
                o.sink, o.ducklake_sink_path, o.ducklake_sink_table_id)
            from jsonb_to_record(given) o (
                refresh_mode text, diamond_consistency text, diamond_schedule_policy text, cdc_mode text, append_only boolean,
                pooler_compatibility_mode boolean, max_differential_joins integer, max_delta_fraction double precision,
                output_distribution_column text, temporal boolean, storage_backend text,
                sink text, ducklake_sink_path text, ducklake_sink_table_id bigint);
            if option = 'diamond_schedule_policy' then
                perform pgtrickle._check_diamond(lower(options ->> 'diamond_consistency'), lower(value));
            end if;
        else
            raise exception using
                errcode = '22023',
                message = format('there is no option %s', option),
                hint = 'Options are the arguments of create_stream_table and alter_stream_table';
    end case;
end
$$;
comment on function pgtrickle._check_option(text, jsonb, text[]) is
    'The error that create_stream_table or alter_stream_table would fail with for one of the options; columns are those of the query, where known';


create or replace function pgtrickle.validate_options(options jsonb, columns text[] default null)
    returns table (option text, message text, hint text)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
begin
    for option in
        select o.key
        from jsonb_each(options) o
        where o.value <> 'null' or o.key in ('name', 'schedule')
        order by o.key <> 'refresh_mode', o.key
    loop
        begin
            perform pgtrickle._check_option(option, options, columns);
        exception when others then
            get stacked diagnostics message = message_text, hint = pg_exception_hint;
            hint := nullif(hint, '');
            return next;
            -- The others are judged by it.
            exit when option = 'refresh_mode';
        end;
    end loop;
end
$$;
comment on function pgtrickle.validate_options(jsonb, text[]) is
    'What is wrong with options, given as {"argument of create_stream_table or alter_stream_table": value}: a row for each that these would refuse, none where they would take all. columns are those of the query, which partition_by must be one of';


create or replace function pgtrickle.explain_query_rewrite(query text)
    returns table (pass_name text, changed boolean, sql_after text)
    language plpgsql
    strict
    set jit = off
as $$
declare
    found record := pgtrickle._analyze_query(query, pg_catalog.current_setting('search_path'));
    given constant text := pg_catalog.rtrim(pg_catalog.btrim(query, E' \t\n'), E'; \t\n');
begin
    return query values
        ('given'::text, false, query),
        ('canonical', pg_catalog.regexp_replace(found.canonical, '[[:space:]]+', ' ', 'g') is distinct from pg_catalog.regexp_replace(given, '[[:space:]]+', ' ', 'g'), found.canonical),
        ('kept', not found.faithful, case when found.faithful then found.canonical else query end);
end
$$;
comment on function pgtrickle.explain_query_rewrite(text) is
    'What is made of a query before it defines a stream table: canonical, as PostgreSQL itself understands it (stars expanded, names qualified, casts explicit); kept, what is stored, which is the text given where the canonical one may mean something else. What the compiler makes of it, pgtrickle explain tells';
