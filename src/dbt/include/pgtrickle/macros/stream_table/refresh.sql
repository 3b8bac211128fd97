{#
  Brings a stream table up to date and says what that took: {action, rows, ms, reason, error}.
  try_refresh records a failure instead of raising, so that the record outlives the transaction:
  `error` is then the message, for the caller to raise once it has committed. The extension has
  only the function that raises, and keeps the rest in its history. It would also pass over a source
  that is gone, as if nothing had changed. `called` is what operations know the table by.
#}
{% macro _refresh(engine, relation, called) %}
  {% set name = dbt_pgtrickle._literal(dbt_pgtrickle._name(relation, engine)) %}
  {% if 'try_refresh' in engine.functions %}
    {{ return(dbt_pgtrickle._outcome(engine, relation, called, dbt_pgtrickle._query_json(
      'select to_json(o)::text from pgtrickle.try_refresh(name => ' ~ name ~ ') o', true
    ))) }}
  {% endif %}
  {% set existing = dbt_pgtrickle._describe(relation, auto_begin=true) %}
  {% if existing.lost_source %}
    {{ return({'error': 'something it reads was dropped or replaced, which the extension does not follow; dbt run builds it anew'}) }}
  {% endif %}
  {% set earlier = dbt_pgtrickle._last_refresh(relation) %}
  {% if existing.row.status == 'ERROR' %}
    {% call statement('pgtrickle_resume') %}
      {{ dbt_pgtrickle._call(engine, 'resume_stream_table', {'name': dbt_pgtrickle._name(relation, engine)}) }}
    {% endcall %}
  {% endif %}
  {% call statement('pgtrickle_refresh') %}
    {{ dbt_pgtrickle._call(engine, 'refresh_stream_table', {'name': dbt_pgtrickle._name(relation, engine)}) }}
  {% endcall %}
  {% set last = dbt_pgtrickle._last_refresh(relation) %}
  {# Where another session is refreshing it, the extension says so in a notice and does nothing. #}
  {{ return(last if last and not (earlier and earlier.id == last.id) else none) }}
{% endmacro %}


{# A refresh_outcome of the engine's in the form _refresh returns. #}
{% macro _outcome(engine, relation, called, outcome) %}
  {% set error = outcome.error_message %}
  {% if outcome.action == 'SKIP' and not error %}
    {# Its fuse may have blown just now. #}
    {% set error = dbt_pgtrickle._suspension(engine, relation, dbt_pgtrickle._describe(relation, auto_begin=true).row, called) %}
  {% endif %}
  {{ return({
    'action': outcome.action,
    'rows': (outcome.rows_inserted or 0) + (outcome.rows_deleted or 0),
    'ms': outcome.duration_ms or 0,
    'reason': outcome.reason,
    'error': error,
  }) }}
{% endmacro %}


{# The newest refresh of a stream table in the form _refresh returns, and its id; none before its first. #}
{% macro _last_refresh(relation) %}
  {{ return(dbt_pgtrickle._query_json("
    select json_build_object(
      'id', h.refresh_id, 'action', h.action, 'rows', coalesce(h.rows_inserted, 0) + coalesce(h.rows_deleted, 0),
      'ms', extract(epoch from coalesce(h.end_time, h.start_time) - h.start_time) * 1000,
      'reason', to_jsonb(h) ->> 'reason', 'error', h.error_message
    )::text
    from pgtrickle.pgt_refresh_history h
    join pgtrickle.pgt_stream_tables s on s.pgt_id = h.pgt_id
    where s.pgt_relid = " ~ dbt_pgtrickle._regclass(relation) ~ "
    order by h.refresh_id desc
    limit 1
  ", true)) }}
{% endmacro %}
