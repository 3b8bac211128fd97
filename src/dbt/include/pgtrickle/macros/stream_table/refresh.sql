{#
  Brings a stream table up to date. try_refresh records a failure instead of raising, so that the
  record outlives the transaction: `failure` is then the message, for the caller to raise once it
  has committed. The extension has only the function that raises.
#}
{% macro _refresh(engine, relation) %}
  {% set name = dbt_pgtrickle._name(relation, engine) %}
  {% if 'try_refresh' in engine.functions %}
    {% call statement('main') %}
      {{ dbt_pgtrickle._call(engine, 'try_refresh', {'name': name}) }}
    {% endcall %}
  {% else %}
    {% call statement('main') %}
      {{ dbt_pgtrickle._call(engine, 'refresh_stream_table', {'name': name}) }}
    {% endcall %}
  {% endif %}
{% endmacro %}


{# The newest refresh of a stream table, none before its first. #}
{% macro _last_refresh(row) %}
  {{ return(dbt_pgtrickle._query_json("
    select json_build_object(
      'action', action, 'status', status, 'rows', coalesce(rows_inserted, 0) + coalesce(rows_deleted, 0),
      'ms', round(extract(epoch from coalesce(end_time, start_time) - start_time) * 1000),
      'error', error_message, 'reason', to_jsonb(h) ->> 'reason'
    )::text
    from pgtrickle.pgt_refresh_history h
    where pgt_id = " ~ row.pgt_id ~ "
    order by refresh_id desc
    limit 1
  ", true)) }}
{% endmacro %}


{# What a refresh did, in words. #}
{% macro _refresh_report(last) %}
  {% if last is none %}
    {{ return('not refreshed') }}
  {% elif last.action == 'NO_DATA' %}
    {{ return('already current') }}
  {% endif %}
  {% set how = {'FULL': ' by recomputation', 'REINITIALIZE': ' by recomputation'}.get(last.action, '') %}
  {% set why = ' (' ~ last.reason ~ ')' if how and last.reason else '' %}
  {{ return('refreshed ' ~ last.rows ~ ' row' ~ ('' if last.rows == 1 else 's') ~ ' in ' ~ last.ms | int ~ ' ms' ~ how ~ why) }}
{% endmacro %}
