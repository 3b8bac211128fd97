{# dbt run-operation pgtrickle_refresh --args '{model_name: orders_by_day}' #}
{% macro pgtrickle_refresh(model_name, schema=none) %}
  {% set engine = dbt_pgtrickle._require_engine() %}
  {% set relation = dbt_pgtrickle._stream_table_named(model_name, schema) %}
  {% set error = dbt_pgtrickle._refresh_and_report(engine, relation, model_name) %}
  {% if error %}
    {% do exceptions.raise_compiler_error('The refresh of ' ~ relation ~ ' failed: ' ~ error) %}
  {% endif %}
{% endmacro %}
