{#
  dbt-postgres opens a transaction once per connection, by itself; after a commit in the middle
  (a before_begin hook makes one) everything would commit statement by statement. So a transaction
  is opened here where dbt has none, and closed here where dbt would not.
#}
{% macro _begin(is_open) %}
  {% if not is_open or dbt_pgtrickle._commits_itself() %}
    {% call statement('pgtrickle_begin') %}begin{% endcall %}
  {% endif %}
{% endmacro %}


{#
  Waits until no other model changes what the extension captures, and keeps others waiting until this
  one commits: of two that begin to capture one source at once, one would fail.
#}
{% macro _take_turn(engine) %}
  {% if engine.name == 'native' %}
    {% call statement('pgtrickle_turn', auto_begin=true) %}
      select pg_advisory_xact_lock(hashtextextended('dbt_pgtrickle: capture', 0))
    {% endcall %}
  {% endif %}
{% endmacro %}


{% macro _commit() %}
  {% do adapter.commit() %}
  {% if dbt_pgtrickle._commits_itself() %}
    {% call statement('pgtrickle_commit', auto_begin=false) %}commit{% endcall %}
  {% endif %}
{% endmacro %}


{# With `autocommit: true`, and in dbt 2, dbt's commit does nothing. #}
{% macro _commits_itself() %}
  {{ return((target.get('autocommit') or false) or dbt_version.split('.')[0] | int >= 2) }}
{% endmacro %}
