{#
  Warns, once a run, where stream tables have schedules and nothing refreshes them by schedule: no
  worker of the portable engine is connected, or the extension's scheduler does not run. The first
  scheduled stream table of those selected speaks for all; the others look no further than to it.
#}
{% macro _warn_of_idle_schedules(engine) %}
  {% set speaker = namespace(id=none) %}
  {% for id in selected_resources if speaker.id is none and dbt_pgtrickle._is_scheduled(graph.nodes.get(id)) %}
    {% set speaker.id = id %}
  {% endfor %}
  {% if speaker.id == model.unique_id %}
    {% set running = dbt_pgtrickle._query_json('select to_json(scheduler_running)::text from pgtrickle.quick_health', true) %}
    {% if not running %}
      {% do dbt_pgtrickle._warn_that_nothing_runs(engine) %}
    {% endif %}
  {% endif %}
{% endmacro %}


{% macro _warn_that_nothing_runs(engine) %}
  {% set scheduled = [] %}
  {% for id in selected_resources if dbt_pgtrickle._is_scheduled(graph.nodes.get(id)) %}
    {% do scheduled.append(id) %}
  {% endfor %}
  {% set remedy = 'Start one with `pgtrickle worker`, or have the tables refreshed by dbt or by a job of yours.'
    if engine.name == 'portable' else 'Look at shared_preload_libraries and pg_trickle.enabled.' %}
  {% do exceptions.warn(
    scheduled | length ~ ' stream table' ~ (' has a schedule' if scheduled | length == 1 else 's have schedules')
    ~ ', and nothing refreshes by schedule: '
    ~ ('no worker is connected to this database. ' if engine.name == 'portable' else "the extension's scheduler does not run. ")
    ~ remedy
  ) %}
{% endmacro %}


{# Whether a node is a stream table that is due by itself. #}
{% macro _is_scheduled(node) %}
  {{ return(
    node is not none and node.resource_type == 'model' and node.config.materialized == 'stream_table'
    and dbt_pgtrickle._configured(node, 'refresh_mode') | upper != 'IMMEDIATE'
    and dbt_pgtrickle._configured(node, 'schedule', '1m') is not none
  ) }}
{% endmacro %}
