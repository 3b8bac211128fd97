{#
  The call that creates a stream table (create_stream_table), or makes an existing one what the
  model says (create_or_replace_stream_table): alters it in place, or finds nothing to do; or that
  refreshes it where there is nothing to do, by the plan of this `compiler` (_rerun).
#}
{% macro _create_sql(engine, function, relation, definition, settings, compiler=none) %}
  {% set immediate = settings.refresh_mode == 'IMMEDIATE' %}
  {% set arguments = {
    'name': dbt_pgtrickle._name(relation, engine),
    'query': definition,
    'schedule': none if immediate else (settings.schedule or 'calculated'),
    'refresh_mode': settings.refresh_mode,
    'initialize': settings.initialize,
    'compiler': compiler,
  } %}
  {# Left out by most, and then left to the engine: none is no argument. #}
  {% for key in [
    'partition_by', 'append_only', 'pooler_compatibility_mode', 'max_differential_joins',
    'max_delta_fraction', 'output_distribution_column'
  ] %}
    {% do arguments.update({key: settings[key]}) %}
  {% endfor %}
  {% for key in ['cdc_mode', 'diamond_consistency', 'diamond_schedule_policy'] if settings[key] is not none %}
    {% do arguments.update({key: settings[key] | lower}) %}
  {% endfor %}
  {{ return(dbt_pgtrickle._call(engine, function, arguments)) }}
{% endmacro %}


{#
  Hands the engine the plan for a query that the next call is about to use, where somebody can make
  one: the adapter compiles. Not where `existing`, the stream table of that relation, has it already.
  Returns why the table will be recomputed at each refresh, or none.
#}
{% macro _offer_plan(engine, definition, settings, existing=none) %}
  {{ return(adapter.dispatch('offer_plan', 'dbt_pgtrickle')(engine, definition, settings, existing)) }}
{% endmacro %}


{% macro postgres__offer_plan(engine, definition, settings, existing) %}
  {{ return(none) }}
{% endmacro %}


{% macro pgtrickle__offer_plan(engine, definition, settings, existing) %}
  {% if engine.name != 'portable' %}{{ return(none) }}{% endif %}
  {% set obstacle = adapter.offer_plan(
    definition, model.original_file_path, dbt_pgtrickle._name(existing, engine) if existing else none, settings.refresh_mode
  ) %}
  {% if obstacle and settings.refresh_mode == 'DIFFERENTIAL' %}
    {% do exceptions.raise_compiler_error(
      "The stream table " ~ model.name ~ " cannot be refreshed differentially: " ~ obstacle
      ~ "\nChange the query, or set refresh_mode to AUTO (differential where possible) or FULL."
    ) %}
  {% endif %}
  {{ return(obstacle) }}
{% endmacro %}
