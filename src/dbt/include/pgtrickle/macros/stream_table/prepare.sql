{#
  What is better done, and committed, before the transaction that builds a new stream table or a new
  definition of one. The adapter begins to capture changes there; macros alone leave that to the
  engine.
#}
{% macro _prepare(engine, relation, definition, settings) %}
  {{ return(adapter.dispatch('prepare', 'dbt_pgtrickle')(engine, relation, definition, settings)) }}
{% endmacro %}


{% macro postgres__prepare(engine, relation, definition, settings) %}
{% endmacro %}


{% macro pgtrickle__prepare(engine, relation, definition, settings) %}
  {% if engine.name == 'portable' and settings.refresh_mode in ('AUTO', 'DIFFERENTIAL') and not flags.EMPTY %}
    {% set existing = dbt_pgtrickle._describe(relation) %}
    {% if not existing or not existing.row or existing.row.original_query != definition %}
      {% do adapter.prepare_capture(definition) %}
    {% endif %}
  {% endif %}
{% endmacro %}
