{#
  Applies the settings that only alter_stream_table takes, where the catalog has other values, and the
  limits of differential refresh, which create_or_replace_stream_table of the extension passes over
  where nothing else differs. Returns what was altered, in words. `status` is for tables that exist:
  a new one is active.
#}
{% macro _apply_operational_settings(engine, relation, row, settings, is_new) %}
  {% set keys = dbt_pgtrickle._options_of_alter() %}
  {% if not is_new %}
    {% do keys.extend(['status', 'max_differential_joins', 'max_delta_fraction']) %}
    {% if dbt_pgtrickle._can_repartition(engine) %}
      {% do keys.append('partition_by') %}
    {% endif %}
  {% endif %}
  {% set columns = dbt_pgtrickle._columns_of_settings(row) %}
  {% set arguments = {} %}
  {% set changes = [] %}
  {% for key in keys if settings[key] is not none or key == 'partition_by' %}
    {% set column = columns[key] %}
    {% set wanted = 'SUSPENDED' if settings[key] == 'PAUSED' else settings[key] %}
    {% if key == 'partition_by' and wanted is none %}
      {% set wanted = '' if row.get(column) else none %}
    {% endif %}
    {% if wanted | string | lower != row.get(column) | string | lower %}
      {% do arguments.update({key: wanted | lower if wanted is string and key not in ('status', 'partition_by') else wanted}) %}
      {% do changes.append(key ~ ' ' ~ row.get(column) ~ ' to ' ~ (wanted or 'none' if key == 'partition_by' else wanted)) %}
    {% endif %}
  {% endfor %}
  {% if arguments %}
    {% call statement('pgtrickle_alter') %}
      {{ dbt_pgtrickle._call(engine, 'alter_stream_table', dict({'name': dbt_pgtrickle._name(relation, engine)}, **arguments)) }}
    {% endcall %}
  {% endif %}
  {{ return(changes) }}
{% endmacro %}


{# Whether another partition_by can be applied to a table that is there. #}
{% macro _can_repartition(engine) %}
  {{ return(engine.name == 'native' and 'partition_by' in (engine.functions.get('alter_stream_table') or [])) }}
{% endmacro %}
