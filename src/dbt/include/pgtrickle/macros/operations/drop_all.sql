{# dbt run-operation drop_all_stream_tables: those of this project, readers before what they read. #}
{% macro drop_all_stream_tables() %}
  {% set engine = dbt_pgtrickle._require_engine() %}
  {% for node in dbt_pgtrickle._in_dependency_order(dbt_pgtrickle._models()) | reverse %}
    {% do dbt_pgtrickle._drop_and_report(engine, dbt_pgtrickle._relation_of(node)) %}
  {% endfor %}
{% endmacro %}
