{# Drops a stream table, commits, and says so; nothing where there is none. #}
{% macro _drop_and_report(engine, relation) %}
  {% set existing = dbt_pgtrickle._describe(relation) %}
  {% if existing and existing.kind == 'stream table' %}
    {% do dbt_pgtrickle._remove(engine, relation, existing) %}
    {% do dbt_pgtrickle._commit() %}
    {% do log(relation ~ ': dropped', info=true) %}
  {% endif %}
{% endmacro %}
