-- A stream table as SQL that creates it.

create or replace function pgtrickle._dollar_quoted(body text, tag text)
    returns text
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
    select case when strpos(body, tag) = 0 and right(body, 1) <> '$' then format('$%1$s$%2$s$%1$s$', tag, body) else quote_literal(body) end
$$;
comment on function pgtrickle._dollar_quoted(text, text) is 'The text as a string constant of SQL, in dollars where it does not contain the tag';


create or replace function pgtrickle.export_definition(st_name text)
    returns text
    language plpgsql
    stable
    strict
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(st_name);
    name constant text := pg_catalog.quote_literal(pgtrickle._quoted(target.pgt_schema, target.pgt_name));
    settings text;
    given text;
    altered text;
begin
    select pg_catalog.string_agg(pg_catalog.format(E'    perform pg_catalog.set_config(%L, %L, true);\n', s.key, s.value), '' order by s.key)
    into settings
    from pg_catalog.jsonb_each_text(target.defining_settings || pg_catalog.jsonb_build_object('search_path', target.defining_search_path)) s;
    given := pg_catalog.concat_ws(E',\n        ',
        'name => ' || name,
        'query => ' || pgtrickle._dollar_quoted(target.original_query, 'query'),
        'schedule => ' || pg_catalog.quote_literal(coalesce(target.schedule, 'calculated')),
        'refresh_mode => ' || pg_catalog.quote_literal(target.requested_refresh_mode),
        'diamond_consistency => ' || pg_catalog.quote_literal(target.diamond_consistency),
        'diamond_schedule_policy => ' || pg_catalog.quote_literal(target.diamond_schedule_policy),
        'cdc_mode => ' || pg_catalog.quote_literal(target.requested_cdc_mode),
        case when target.is_append_only then 'append_only => true' end,
        case when target.pooler_compatibility_mode then 'pooler_compatibility_mode => true' end,
        'partition_by => ' || pg_catalog.quote_literal(target.st_partition_key),
        'max_differential_joins => ' || target.max_differential_joins::text,
        'max_delta_fraction => ' || target.max_delta_fraction::text);
    altered := nullif(pg_catalog.concat_ws(', ',
        case when target.refresh_tier <> 'hot' or target.freshness_deadline_ms is not null then 'tier => ' || pg_catalog.quote_literal(target.refresh_tier) end,
        case when target.fuse_mode <> 'off' then 'fuse => ' || pg_catalog.quote_literal(target.fuse_mode) end,
        'fuse_ceiling => ' || target.fuse_ceiling::text,
        'fuse_sensitivity => ' || target.fuse_sensitivity::text,
        case when target.post_refresh_action <> 'none' then 'post_refresh_action => ' || pg_catalog.quote_literal(target.post_refresh_action) end), '');
    return 'do ' || pgtrickle._dollar_quoted(
        E'\nbegin\n    -- The settings its query is read under, until the end of the transaction.\n'
        || settings
        || pg_catalog.format(E'    perform pgtrickle.create_or_replace_stream_table(\n        %s);\n', given)
        || case when target.freshness_deadline_ms is null then ''
            else pg_catalog.format(E'    perform pgtrickle.set_stream_table_sla(%s, %L);\n', name,
                target.freshness_deadline_ms::text || ' milliseconds') end
        || case when altered is null then '' else pg_catalog.format(E'    perform pgtrickle.alter_stream_table(%s, %s);\n', name, altered) end
        || E'end\n', 'definition') || E';\n';
end
$$;
comment on function pgtrickle.export_definition(text) is
    'One SQL statement that creates the stream table, or brings one of its name to this definition, with the settings its query is read under';


create or replace function pgtrickle.stream_table_definition(p_name text)
    returns text
    language sql
    stable
    strict
as $$
    select pgtrickle.export_definition(p_name)
$$;
comment on function pgtrickle.stream_table_definition(text) is 'The same as export_definition';


create or replace function pgtrickle.stream_table_spec(relid oid)
    returns jsonb
    language sql
    stable
    strict
    set search_path = pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object(
        'name', pgtrickle._quoted(s.pgt_schema, s.pgt_name),
        'query', s.original_query,
        'schedule', coalesce(s.schedule, 'calculated'),
        'refresh_mode', s.requested_refresh_mode,
        'diamond_consistency', s.diamond_consistency,
        'diamond_schedule_policy', s.diamond_schedule_policy,
        'cdc_mode', s.requested_cdc_mode,
        'append_only', s.is_append_only,
        'pooler_compatibility_mode', s.pooler_compatibility_mode,
        'partition_by', s.st_partition_key,
        'max_differential_joins', s.max_differential_joins,
        'max_delta_fraction', s.max_delta_fraction))
    from pgtrickle.pgt_stream_tables s
    where s.pgt_relid = relid
$$;
comment on function pgtrickle.stream_table_spec(oid) is
    'A stream table as the arguments of create_stream_table that make it, an element of what bulk_create takes; null where the relation is no stream table';


create or replace function pgtrickle.stream_table_spec(qualified_name text)
    returns jsonb
    language plpgsql
    stable
    strict
as $$
declare
    wanted record := pgtrickle._parse_name(qualified_name);
begin
    return pgtrickle.stream_table_spec((pgtrickle._find_by_name(wanted.schema_name, wanted.object_name)).pgt_relid);
end
$$;
comment on function pgtrickle.stream_table_spec(text) is
    'A stream table as the arguments of create_stream_table that make it, an element of what bulk_create takes; null where there is none of that name';
