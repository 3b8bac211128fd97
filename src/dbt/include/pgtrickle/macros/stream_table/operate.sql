{#
  Applies the settings that only alter_stream_table takes, where the catalog has other values.
  Returns what was altered, in words. `status` is for tables that exist: a new one is active.
#}
{% macro _apply_operational_settings(engine, relation, row, settings, is_new) %}
  {% set columns = {
    'tier': 'refresh_tier', 'fuse': 'fuse_mode', 'fuse_ceiling': 'fuse_ceiling',
    'fuse_sensitivity': 'fuse_sensitivity',
  } %}
  {% if not is_new %}
    {% do columns.update({'status': 'status'}) %}
  {% endif %}
  {% set arguments = {} %}
  {% set changes = [] %}
  {% for key, column in columns.items() if settings[key] is not none %}
    {% set wanted = 'SUSPENDED' if settings[key] == 'PAUSED' else settings[key] %}
    {% if wanted | string | lower != row.get(column) | string | lower %}
      {% do arguments.update({key: wanted | lower if wanted is string and key != 'status' else wanted}) %}
      {% do changes.append(key ~ ' ' ~ row.get(column) ~ ' to ' ~ wanted) %}
    {% endif %}
  {% endfor %}
  {% if arguments %}
    {% call statement('pgtrickle_alter') %}
      {{ dbt_pgtrickle._call(engine, 'alter_stream_table', dict({'name': dbt_pgtrickle._name(relation, engine)}, **arguments)) }}
    {% endcall %}
  {% endif %}
  {{ return(changes) }}
{% endmacro %}
