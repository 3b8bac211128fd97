{#
  dbt's own macro, and: a model that was a stream table and became incremental begins anew, as one
  that was a view does. Nobody else may write to a stream table, so there is no increment to add.
#}
{% macro should_full_refresh() %}
  {% set wanted = config.get('full_refresh') %}
  {% if wanted is none %}
    {% set wanted = flags.FULL_REFRESH %}
  {% endif %}
  {% if execute and not wanted and model.config.materialized == 'incremental' %}
    {% set existing = load_cached_relation(this) %}
    {% set wanted = existing is not none and existing.is_stream_table %}
  {% endif %}
  {{ return(wanted) }}
{% endmacro %}
