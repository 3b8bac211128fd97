{# dbt run-operation pgtrickle_explain --args '{model_name: orders_by_day}': how it is kept up to date, and why so. #}
{% macro pgtrickle_explain(model_name, schema=none) %}
  {% set engine = dbt_pgtrickle._require_engine() %}
  {% set relation = dbt_pgtrickle._stream_table_named(model_name, schema) %}
  {% set row = dbt_pgtrickle._describe(relation).row %}
  {% set mode = dbt_pgtrickle._query_json(
    'select row_to_json(e)::text from pgtrickle.explain_refresh_mode('
    ~ dbt_pgtrickle._literal(dbt_pgtrickle._name(relation, engine)) ~ ') e'
  ) %}
  {% do log(relation ~ ': asked for ' ~ mode.configured_mode ~ ', refreshed ' ~ mode.effective_mode
    ~ (' because ' ~ mode.downgrade_reason if mode.downgrade_reason else '')
    ~ ', schedule ' ~ (row.schedule or 'calculated'), info=true) %}
  {% if 'explain_st' in engine.functions %}
    {% set told = dbt_pgtrickle._query_json(
      "select coalesce(json_object_agg(e.property, e.value), '{}')::text from pgtrickle.explain_st("
      ~ dbt_pgtrickle._literal(dbt_pgtrickle._name(relation, engine)) ~ ") e"
      ~ " where e.property in ('operator_tree', 'missing_indexes')"
    ) %}
    {% for property, value in told.items() | sort(reverse=true) if value %}
      {% do log(('operators' if property == 'operator_tree' else 'missing indexes') ~ ':\n' ~ value, info=true) %}
    {% endfor %}
  {% endif %}
  {% do log('query:\n' ~ row.defining_query, info=true) %}
{% endmacro %}
