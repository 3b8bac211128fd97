{#
  dbt run-operation refresh_all_stream_tables: those of this project, in dependency order. Those
  paused are passed over. One that fails does not stop the others; the operation fails at the end.
#}
{% macro refresh_all_stream_tables(schema=none) %}
  {% set engine = dbt_pgtrickle._require_engine() %}
  {% set failed = [] %}
  {% for node in dbt_pgtrickle._in_dependency_order(dbt_pgtrickle._models(schema)) %}
    {% set relation = dbt_pgtrickle._relation_of(node) %}
    {% set existing = dbt_pgtrickle._describe(relation) %}
    {% if not existing or existing.kind != 'stream table' %}
      {% do log(relation ~ ': not created yet', info=true) %}
    {% elif dbt_pgtrickle._is_paused(existing.row) %}
      {% do log(relation ~ ': suspended: not refreshed', info=true) %}
    {% elif dbt_pgtrickle._refresh_and_report(engine, relation, dbt_pgtrickle._name_of(node)) %}
      {% do failed.append(relation | string) %}
    {% endif %}
  {% endfor %}
  {% if failed %}
    {% do exceptions.raise_compiler_error('The refresh failed of: ' ~ failed | join(', ')) %}
  {% endif %}
{% endmacro %}
