{#
  Warns, once a run, where stream tables have schedules and nothing refreshes them by schedule: no
  worker of the portable engine is connected, or the extension's scheduler does not run. The first
  stream table of those selected speaks for all.
#}
{% macro _warn_of_idle_schedules(engine, settings) %}
  {% set scheduled = [] %}
  {% for node in dbt_pgtrickle._models() if node.unique_id in selected_resources %}
    {% if dbt_pgtrickle._configured(node, 'refresh_mode') | upper != 'IMMEDIATE'
        and dbt_pgtrickle._configured(node, 'schedule', '1m') is not none %}
      {% do scheduled.append(node) %}
    {% endif %}
  {% endfor %}
  {% if scheduled and scheduled[0].unique_id == model.unique_id %}
    {% set running = dbt_pgtrickle._query_json('select to_json(scheduler_running)::text from pgtrickle.quick_health', true) %}
    {% if not running %}
      {% set remedy = 'Start one with `pgtrickle worker`, or have the tables refreshed by dbt or by a job of yours.'
        if engine.name == 'portable' else 'Look at shared_preload_libraries and pg_trickle.enabled.' %}
      {% do exceptions.warn(
        scheduled | length ~ ' stream table' ~ (' has a schedule' if scheduled | length == 1 else 's have schedules')
        ~ ', and nothing refreshes by schedule: '
        ~ ('no worker is connected to this database. ' if engine.name == 'portable' else "the extension's scheduler does not run. ")
        ~ remedy
      ) %}
    {% endif %}
  {% endif %}
{% endmacro %}
