{# The catalog of dbt docs: dbt-postgres's, with type and statistics of stream tables. #}
{% macro pgtrickle__get_catalog_relations(information_schema, relations) %}
  {% set catalog = postgres__get_catalog_relations(information_schema, relations) %}
  {% if not run_query("select to_regclass('pgtrickle.pgt_stream_tables') is not null")[0][0] %}
    {{ return(catalog) }}
  {% endif %}
  {% call statement('stream_table_facts', fetch_result=true) %}
    select coalesce(json_object_agg(n.nspname || '.' || c.relname, json_build_object(
      'row_count', case when c.reltuples >= 0 then c.reltuples::bigint end,
      'size', pg_size_pretty(pg_total_relation_size(c.oid)),
      'last_refresh', to_char(s.last_refresh_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'),
      'refresh_mode', coalesce(to_jsonb(s) ->> 'requested_refresh_mode', s.refresh_mode)
        || coalesce(', in effect ' || (to_jsonb(s) ->> 'effective_refresh_mode'), ''),
      'schedule', case when s.refresh_mode <> 'IMMEDIATE' then coalesce(s.schedule, 'calculated') end
    )), '{}')::text
    from pgtrickle.pgt_stream_tables s
    join pg_catalog.pg_class c on c.oid = s.pgt_relid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  {% endcall %}
  {{ return(adapter.describe_stream_tables(catalog, fromjson(load_result('stream_table_facts')['data'][0][0]))) }}
{% endmacro %}


{% macro pgtrickle__get_catalog(information_schema, schemas) %}
  {% set relations = [] %}
  {% for schema in schemas %}
    {% do relations.append({'schema': schema}) %}
  {% endfor %}
  {{ return(pgtrickle__get_catalog_relations(information_schema, relations)) }}
{% endmacro %}
