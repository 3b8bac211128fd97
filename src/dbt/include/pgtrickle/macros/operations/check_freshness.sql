{#
  dbt run-operation pgtrickle_check_freshness: prints the age of one or all stream tables of the
  project; fails where one is older than error_seconds, or has never been refreshed.
#}
{% macro pgtrickle_check_freshness(model_name=none, warn_seconds=600, error_seconds=1800) %}
  {% do dbt_pgtrickle._require_engine() %}
  {% if model_name is none %}
    {% set relations = {} %}
    {% for node in dbt_pgtrickle._models() %}
      {% do relations.update({dbt_pgtrickle._name_of(node): dbt_pgtrickle._relation_of(node)}) %}
    {% endfor %}
  {% else %}
    {% set relations = {model_name: dbt_pgtrickle._stream_table_named(model_name)} %}
  {% endif %}
  {% set late = [] %}
  {% for name, relation in relations.items() %}
    {% set status = dbt_pgtrickle._status_of(relation, warn_seconds) %}
    {% set age = status.staleness_seconds %}
    {% if status.refresh_mode == 'IMMEDIATE' and status.is_populated %}
      {% set verdict = 'ok: maintained with each change' %}
    {% elif age is none %}
      {% set verdict = 'error: ' ~ ('not found' if status.status == 'not_found' else 'never refreshed') %}
      {% do late.append(name) %}
    {% elif age > error_seconds %}
      {% set verdict = 'error: ' ~ age ~ ' s old, more than ' ~ error_seconds %}
      {% do late.append(name) %}
    {% elif age > warn_seconds %}
      {% set verdict = 'warning: ' ~ age ~ ' s old, more than ' ~ warn_seconds %}
    {% else %}
      {% set verdict = 'ok: ' ~ age ~ ' s old' %}
    {% endif %}
    {% do log(status.stream_table ~ ': ' ~ verdict, info=true) %}
  {% endfor %}
  {% if late %}
    {% do exceptions.raise_compiler_error('Not fresh: ' ~ late | join(', ')) %}
  {% endif %}
{% endmacro %}
