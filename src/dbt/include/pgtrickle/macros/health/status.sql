{#
  The state of a stream table as a dictionary: status ('healthy', 'stale', 'erroring', 'paused',
  'fuse_blown', 'not_populated', 'not_found'), staleness_seconds, consecutive_errors,
  last_refresh_at, total_refreshes, is_populated, refresh_mode, effective_refresh_mode, reason,
  last_error_message, schedule, warn_seconds. `name` is a model's name, or `schema.table`. Left out,
  warn_seconds is 300, or five minutes more than the table's own schedule where that is longer.
#}
{% macro pgtrickle_stream_table_status(name, warn_seconds=none) %}
  {% if not execute %}{{ return({}) }}{% endif %}
  {{ return(dbt_pgtrickle._status_of(dbt_pgtrickle._relation_named(name), warn_seconds)) }}
{% endmacro %}


{% macro _status_of(relation, warn_seconds=none) %}
  {{ return(dbt_pgtrickle._query_json(
    'select row_to_json(h)::text from (' ~ dbt_pgtrickle._health_sql(relation, warn_seconds) ~ ') h'
  )) }}
{% endmacro %}
