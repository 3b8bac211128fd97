{# Relations of a schema, by position: database, name, schema, type. #}
{% macro pgtrickle__list_relations_without_caching(schema_relation) %}
  {% set there = run_query("select to_regclass('pgtrickle.pgt_stream_tables') is not null")[0][0] %}
  {% if not there %}
    {{ return(postgres__list_relations_without_caching(schema_relation)) }}
  {% endif %}
  {% set listed = postgres__list_relations_without_caching(schema_relation) %}
  {% call statement('list_stream_tables', fetch_result=true) %}
    select n.nspname || '.' || c.relname
    from pgtrickle.pgt_stream_tables s
    join pg_catalog.pg_class c on c.oid = s.pgt_relid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname ilike '{{ schema_relation.schema }}'
  {% endcall %}
  {% set stream_tables = load_result('list_stream_tables')['data'] | map('first') | list %}
  {% set rows = [] %}
  {% for row in listed %}
    {% set kind = 'stream_table' if row[3] == 'table' and row[2] ~ '.' ~ row[1] in stream_tables else row[3] %}
    {% do rows.append([row[0], row[1], row[2], kind]) %}
  {% endfor %}
  {{ return(rows) }}
{% endmacro %}
