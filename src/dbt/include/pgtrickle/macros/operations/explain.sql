{# dbt run-operation pgtrickle_explain --args '{model_name: orders_by_day}': how it is kept up to date, and why so. #}
{% macro pgtrickle_explain(model_name, schema=none) %}
  {% set engine = dbt_pgtrickle._require_engine() %}
  {% set relation = dbt_pgtrickle._stream_table_named(model_name, schema) %}
  {% set row = dbt_pgtrickle._describe(relation).row %}
  {% do log(relation ~ ': asked for ' ~ row[dbt_pgtrickle._mode_column(row)]
    ~ ', refreshed ' ~ (row.get('effective_refresh_mode') or row.refresh_mode)
    ~ (' because ' ~ row.refresh_reason if row.get('refresh_reason') else '')
    ~ ', schedule ' ~ (row.schedule or 'calculated'), info=true) %}
  {% do log(row.defining_query, info=true) %}
{% endmacro %}
