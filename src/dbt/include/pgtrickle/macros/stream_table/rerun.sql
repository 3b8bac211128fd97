{#
  Whether there can be nothing to do but to refresh: the stream table has this very query and no other
  configuration than the model, and nothing holds it back. The engine looks further, in the same call.
#}
{% macro _can_rerun(engine, existing, definition, settings, changes) %}
  {{ return(
    '_rerun' in engine.functions
    and settings.refresh_on_run
    and settings.refresh_mode != 'IMMEDIATE'
    and existing.row.status != 'SUSPENDED'
    and existing.row.get('fuse_state') != 'blown'
    and not (changes.options or changes.indexes or changes.constraints or changes.not_null)
    and dbt_pgtrickle._is_defined_by(existing, definition)
  ) }}
{% endmacro %}


{# Refreshes such a stream table, and returns what _build does; none where something is to be done first. #}
{% macro _rerun(engine, relation, definition, settings) %}
  {% set outcome = dbt_pgtrickle._query_json(
    'select to_json(o)::text from (\n'
    ~ dbt_pgtrickle._create_sql(engine, '_rerun', relation, definition, settings, compiler=dbt_pgtrickle._compiler(settings))
    ~ '\n) rerun(o)', true, name='main'
  ) %}
  {% if outcome is none %}
    {{ return(none) }}
  {% endif %}
  {% set last = dbt_pgtrickle._outcome(engine, relation, dbt_pgtrickle._name_of(model), outcome) %}
  {{ return({
    'message': 'unchanged, ' ~ dbt_pgtrickle._refresh_report(last),
    'rows': last.rows,
    'kept_grants': true,
    'is_configured': false,
    'failure': last.error,
  }) }}
{% endmacro %}


{# Whose plan the stream table should have: that of the compiler at hand, or none. #}
{% macro _compiler(settings) %}
  {{ return(adapter.dispatch('compiler', 'dbt_pgtrickle')(settings)) }}
{% endmacro %}


{% macro postgres__compiler(settings) %}
  {{ return(none) }}
{% endmacro %}


{% macro pgtrickle__compiler(settings) %}
  {{ return(adapter.compiler_version() if settings.refresh_mode != 'FULL' else none) }}
{% endmacro %}
