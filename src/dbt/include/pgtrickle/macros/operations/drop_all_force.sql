{# dbt run-operation drop_all_stream_tables_force: every stream table in the database. #}
{% macro drop_all_stream_tables_force() %}
  {% set engine = dbt_pgtrickle._require_engine() %}
  {% set names = dbt_pgtrickle._query_json("
    select coalesce(json_agg(json_build_array(n.nspname, c.relname) order by s.pgt_id desc), '[]')::text
    from pgtrickle.pgt_stream_tables s
    join pg_catalog.pg_class c on c.oid = s.pgt_relid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  ") %}
  {% for schema, name in names %}
    {% do dbt_pgtrickle._drop_and_report(
      engine, dbt_pgtrickle._typed(api.Relation.create(database=target.dbname, schema=schema, identifier=name))
    ) %}
  {% endfor %}
{% endmacro %}
