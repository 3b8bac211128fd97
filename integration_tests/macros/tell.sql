{# Prints which engine answers, and the health of a stream table. #}
{% macro tell(model_name) %}
  {% set engine = dbt_pgtrickle.pgtrickle_engine() %}
  {% do log(engine.name ~ ' engine ' ~ engine.version, info=true) %}
  {% set status = dbt_pgtrickle.pgtrickle_stream_table_status(model_name) %}
  {% do log(status.stream_table ~ ' is ' ~ status.status ~ ', refreshed ' ~ status.total_refreshes ~ ' times', info=true) %}
{% endmacro %}
