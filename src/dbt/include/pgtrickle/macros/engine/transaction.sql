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
  one commits: of two that begin to capture one source at once, one would fail. To be taken before
  anything reads a source, whose lock the one whose turn it is may wait for. A definition that is there
  already needs no turn.
#}
{% macro _take_turn(engine, relation, definition) %}
  {% if engine.name == 'native' %}
    {% set existing = dbt_pgtrickle._describe(relation, auto_begin=true) %}
    {% if not existing or existing.lost_source or should_full_refresh()
        or not dbt_pgtrickle._is_defined_by(existing, definition) %}
      {% call statement('pgtrickle_turn', auto_begin=true) %}
        select pg_advisory_xact_lock(hashtextextended('dbt_pgtrickle: capture', 0))
      {% endcall %}
    {% endif %}
  {% endif %}
{% endmacro %}


{# Whether a stream table has this very definition, to the letter. #}
{% macro _is_defined_by(existing, definition) %}
  {{ return(existing.row is not none and (existing.row.original_query or existing.row.defining_query) == definition) }}
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
