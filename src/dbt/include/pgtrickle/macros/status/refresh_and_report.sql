{# Refreshes a stream table, prints what that did, and returns the error it met, or none. #}
{% macro _refresh_and_report(engine, relation) %}
  {% set last = dbt_pgtrickle._refresh(engine, relation) %}
  {% do dbt_pgtrickle._commit() %}
  {% if last and last.error %}
    {% do log(relation ~ ': failed: ' ~ last.error, info=true) %}
    {{ return(last.error) }}
  {% endif %}
  {% do log(relation ~ ': ' ~ dbt_pgtrickle._refresh_report(last), info=true) %}
  {{ return(none) }}
{% endmacro %}
