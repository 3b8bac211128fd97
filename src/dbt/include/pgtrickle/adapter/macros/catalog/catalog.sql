{# The catalog of dbt docs: dbt-postgres's, with stream tables named as what they are. #}
{% macro pgtrickle__get_catalog_relations(information_schema, relations) %}
  {% set catalog = postgres__get_catalog_relations(information_schema, relations) %}
  {% if not run_query("select to_regclass('pgtrickle.pgt_stream_tables') is not null")[0][0] %}
    {{ return(catalog) }}
  {% endif %}
  {% set stream_tables = run_query("
    select n.nspname || '.' || c.relname
    from pgtrickle.pgt_stream_tables s
    join pg_catalog.pg_class c on c.oid = s.pgt_relid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  ").columns[0].values() | list %}
  {{ return(adapter.name_stream_tables(catalog, stream_tables)) }}
{% endmacro %}


{% macro pgtrickle__get_catalog(information_schema, schemas) %}
  {% set relations = [] %}
  {% for schema in schemas %}
    {% do relations.append({'schema': schema}) %}
  {% endfor %}
  {{ return(pgtrickle__get_catalog_relations(information_schema, relations)) }}
{% endmacro %}
