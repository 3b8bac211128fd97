{# dbt run-operation pgtrickle_pause --args '{model_name: orders_by_day}': no refreshes until it is resumed. #}
{% macro pgtrickle_pause(model_name, schema=none) %}
  {% do dbt_pgtrickle._operate(model_name, schema, 'alter_stream_table', {'status': 'SUSPENDED'}, 'paused') %}
{% endmacro %}
