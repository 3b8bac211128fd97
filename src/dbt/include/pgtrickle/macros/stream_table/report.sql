{#
  Refreshes a stream table, prints what that did, and returns the error it met, or none. `called` is
  what operations know it by.
#}
{% macro _refresh_and_report(engine, relation, called) %}
  {% set row = dbt_pgtrickle._describe(relation, auto_begin=true).row %}
  {% set suspension = dbt_pgtrickle._suspension(engine, relation, row, called) %}
  {% if dbt_pgtrickle._is_paused(row) %}
    {% set suspension = 'it is suspended. To resume it: ' ~ dbt_pgtrickle._way_out(
      engine, relation, called, 'pgtrickle_resume', 'resume_stream_table'
    ) %}
  {% endif %}
  {% set last = {'error': suspension} if suspension else dbt_pgtrickle._refresh(engine, relation, called) %}
  {% do dbt_pgtrickle._commit() %}
  {% if last and last.error %}
    {% do log(relation ~ ': failed: ' ~ last.error, info=true) %}
    {{ return(last.error) }}
  {% endif %}
  {% do log(relation ~ ': ' ~ dbt_pgtrickle._refresh_report(last), info=true) %}
  {{ return(none) }}
{% endmacro %}


{# What a refresh did, in words. #}
{% macro _refresh_report(last) %}
  {% if last is none %}
    {{ return('not refreshed') }}
  {% elif last.action == 'NO_DATA' %}
    {{ return('already current') }}
  {% elif last.action == 'SKIP' %}
    {{ return('not refreshed' ~ (': ' ~ last.reason if last.reason else '')) }}
  {% endif %}
  {% set how = ' by recomputation' if last.action in ('FULL', 'REINITIALIZE') else '' %}
  {% set why = ' (' ~ last.reason ~ ')' if how and last.reason else '' %}
  {% set found = 'refreshed ' ~ last.rows ~ ' row' ~ ('' if last.rows == 1 else 's') if last.rows else 'already current, checked' %}
  {# The extension measures no refresh by hand: its beginning and end are those of the transaction. #}
  {% set time = ' in ' ~ last.ms | round(1) ~ ' ms' if last.ms else '' %}
  {{ return(found ~ time ~ how ~ why) }}
{% endmacro %}
