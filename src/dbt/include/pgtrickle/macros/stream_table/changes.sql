{# What differs between two rows of pgt_stream_tables, in words. #}
{% macro _changes(before, after) %}
  {% set changes = [] %}
  {% if before.defining_query != after.defining_query %}
    {% do changes.append('query') %}
  {% endif %}
  {% for key, column in dbt_pgtrickle._columns_of_settings(after).items() if key != 'status' %}
    {% if before[column] != after[column] %}
      {% set unset = 'calculated' if key == 'schedule' else 'none' %}
      {% do changes.append(key ~ ' ' ~ (unset if before[column] is none else before[column])
        ~ ' to ' ~ (unset if after[column] is none else after[column])) %}
    {% endif %}
  {% endfor %}
  {{ return(changes) }}
{% endmacro %}


{# Where the mode that was asked for stands; older extensions keep only the one in effect. #}
{% macro _mode_column(row) %}
  {{ return('requested_refresh_mode' if row.get('requested_refresh_mode') else 'refresh_mode') }}
{% endmacro %}


{#
  Whether the changes are to be applied: what on_configuration_change says (apply), a warning instead
  (continue), or an error (fail). An edited query is no change of configuration.
#}
{% macro _is_to_apply(relation, changes) %}
  {% set on_change = config.get('on_configuration_change', 'apply') | string %}
  {% if on_change == 'apply' %}{{ return(true) }}{% endif %}
  {% set differing = dbt_pgtrickle._changes_in_words(changes) %}
  {% if differing %}
    {% set message = 'Configuration changes were identified and `on_configuration_change` was set to `'
      ~ on_change ~ '` for `' ~ relation ~ '`: ' ~ differing | join(', ') %}
    {% if on_change == 'fail' %}
      {% do exceptions.raise_fail_fast_error(message) %}
    {% endif %}
    {% do exceptions.warn(message) %}
  {% endif %}
  {{ return(on_change != 'continue') }}
{% endmacro %}


{# The settings with those of the table in place of the model's. #}
{% macro _settings_of(row, settings) %}
  {% set kept = {} %}
  {% for name, column in dbt_pgtrickle._columns_of_settings(row).items() if column in row %}
    {% do kept.update({name: row[column] or none}) %}
  {% endfor %}
  {% do kept.update({'status': none, 'tier': none, 'fuse': none, 'fuse_ceiling': none, 'fuse_sensitivity': none}) %}
  {{ return(dict(settings, **kept)) }}
{% endmacro %}
