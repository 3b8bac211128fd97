{# What differs between two rows of pgt_stream_tables, in words. #}
{% macro _changes(before, after) %}
  {% set changes = [] %}
  {% if before.defining_query != after.defining_query %}
    {% do changes.append('query') %}
  {% endif %}
  {% for key, column in {'schedule': 'schedule', 'refresh_mode': dbt_pgtrickle._mode_column(after)}.items() %}
    {% if before[column] != after[column] %}
      {% do changes.append(key ~ ' ' ~ (before[column] or 'calculated') ~ ' to ' ~ (after[column] or 'calculated')) %}
    {% endif %}
  {% endfor %}
  {{ return(changes) }}
{% endmacro %}


{# Where the mode that was asked for stands; older extensions keep only the one in effect. #}
{% macro _mode_column(row) %}
  {{ return('requested_refresh_mode' if row.get('requested_refresh_mode') else 'refresh_mode') }}
{% endmacro %}


{#
  The settings as on_configuration_change wants them: those of the model (apply), those the table
  has (continue), or an error where the two differ (fail).
#}
{% macro _settings_to_apply(settings, row) %}
  {% set on_change = config.get('on_configuration_change', 'apply') | string %}
  {% if on_change == 'apply' %}{{ return(settings) }}{% endif %}
  {% set kept = {'schedule': row.schedule, 'refresh_mode': row[dbt_pgtrickle._mode_column(row)]} %}
  {% set differing = [] %}
  {% for key, value in kept.items() if (value or 'calculated') | lower != (settings[key] or 'calculated') | lower %}
    {% do differing.append(key ~ ' (' ~ value ~ ' in the database, ' ~ settings[key] ~ ' in the model)') %}
  {% endfor %}
  {% if not differing %}{{ return(settings) }}{% endif %}
  {% set message = 'The stream table ' ~ this ~ ' is configured differently: ' ~ differing | join(', ')
    ~ '; on_configuration_change is ' ~ on_change ~ '.' %}
  {% if on_change == 'fail' %}
    {% do exceptions.raise_fail_fast_error(message) %}
  {% endif %}
  {% do exceptions.warn(message) %}
  {{ return(dict(settings, **kept)) }}
{% endmacro %}
