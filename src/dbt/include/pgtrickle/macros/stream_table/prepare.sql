{#
  What is better done, and committed, before the transaction that builds a new stream table or a new
  definition of one. The adapter begins to capture changes there; macros alone leave that to the
  engine. Returns what stands under the name, where that was asked and nothing was done.
#}
{% macro _prepare(engine, relation, definition, settings, wanted) %}
  {{ return(adapter.dispatch('prepare', 'dbt_pgtrickle')(engine, relation, definition, settings, wanted)) }}
{% endmacro %}


{% macro postgres__prepare(engine, relation, definition, settings, wanted) %}
  {{ return(none) }}
{% endmacro %}


{% macro pgtrickle__prepare(engine, relation, definition, settings, wanted) %}
  {% if engine.name == 'portable' and settings.refresh_mode in ('AUTO', 'DIFFERENTIAL') and not flags.EMPTY %}
    {% set existing = dbt_pgtrickle._describe(relation, wanted=wanted) %}
    {% if existing and existing.row and existing.row.original_query == definition %}
      {{ return(existing) }}
    {% endif %}
    {% do adapter.prepare_capture(definition) %}
  {% endif %}
  {{ return(none) }}
{% endmacro %}
