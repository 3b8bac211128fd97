{# dbt run-operation drop_all_stream_tables: those of this project, readers before what they read. #}
{% macro drop_all_stream_tables() %}
  {% set engine = dbt_pgtrickle._require_engine() %}
  {% for node in dbt_pgtrickle._in_dependency_order(dbt_pgtrickle._models()) | reverse %}
    {% set relation = dbt_pgtrickle._relation_of(node) %}
    {% set existing = dbt_pgtrickle._describe(relation) %}
    {% if existing and existing.kind == 'stream table' %}
      {% do dbt_pgtrickle._remove(engine, relation, existing) %}
      {% do dbt_pgtrickle._commit() %}
      {% do log(relation ~ ': dropped', info=true) %}
    {% endif %}
  {% endfor %}
{% endmacro %}


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
    {% set relation = dbt_pgtrickle._typed(api.Relation.create(database=target.dbname, schema=schema, identifier=name)) %}
    {% set existing = dbt_pgtrickle._describe(relation) %}
    {% if existing %}
      {% do dbt_pgtrickle._remove(engine, relation, existing) %}
      {% do dbt_pgtrickle._commit() %}
      {% do log(relation ~ ': dropped', info=true) %}
    {% endif %}
  {% endfor %}
{% endmacro %}
