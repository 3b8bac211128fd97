{# dbt run-operation pgtrickle_status: a line for each stream table of the project. #}
{% macro pgtrickle_status() %}
  {% do dbt_pgtrickle._require_engine() %}
  {% for node in dbt_pgtrickle._in_dependency_order(dbt_pgtrickle._models()) %}
    {% set status = dbt_pgtrickle._status_of(dbt_pgtrickle._relation_of(node)) %}
    {% set age = status.staleness_seconds ~ ' s ago' if status.staleness_seconds is not none else 'never' %}
    {% do log(
      '%-40s %-13s %-12s %-10s refreshed %s' | format(
        status.stream_table, status.status, status.effective_refresh_mode or '', status.schedule or 'calculated', age
      ) ~ (': ' ~ status.last_error_message if status.status == 'erroring' else ''),
      info=true
    ) %}
  {% endfor %}
{% endmacro %}
