{#
  Fails, with a row that says why, where a stream table is missing, stale, erroring, paused, not
  populated or its fuse is blown. See _health_sql for warn_seconds. Under --empty it fails for
  nothing, as all tests of dbt then do.
#}
{% test stream_table_healthy(model, warn_seconds=none) %}
  select * from (
    {{ dbt_pgtrickle._health_sql(model, warn_seconds) }}
  ) health
  where status <> 'healthy'
    and {{ 'false' if flags.EMPTY else 'true' }}
{% endtest %}
