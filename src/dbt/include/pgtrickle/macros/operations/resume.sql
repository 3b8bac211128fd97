{# dbt run-operation pgtrickle_resume --args '{model_name: orders_by_day}': the way back from a pause, or from errors. #}
{% macro pgtrickle_resume(model_name, schema=none) %}
  {% do dbt_pgtrickle._operate(model_name, schema, 'resume_stream_table', {}, 'resumed') %}
{% endmacro %}
