{# `existing` is what _describe said, `wanted` the model's side. #}
{% macro _present_configuration(engine, existing, wanted) %}
  {% set row = existing.row %}
  {% set settings = {} %}
  {% for name, column in dbt_pgtrickle._columns_of_settings(row).items() if column in row %}
    {% do settings.update({name: row[column]}) %}
  {% endfor %}
  {% do settings.update({
    'schedule': row.schedule or 'calculated',
    'status': 'SUSPENDED' if row.status == 'SUSPENDED' else 'ACTIVE',
  }) %}
  {% if wanted.settings.refresh_mode == 'AUTO' and not row.get('requested_refresh_mode') and row.refresh_mode != 'IMMEDIATE' %}
    {# What the extension made of it at creation is all it remembers. #}
    {% do settings.update({'refresh_mode': 'AUTO'}) %}
  {% endif %}
  {% if engine.name == 'native' %}
    {# The extension turns it on and off as it sees fit. #}
    {% do settings.pop('append_only', none) %}
  {% endif %}
  {{ return(dict(existing.objects, settings=settings)) }}
{% endmacro %}


{# The column of pgt_stream_tables that holds each setting the engine can be asked for. #}
{% macro _columns_of_settings(row) %}
  {{ return({
    'schedule': 'schedule',
    'refresh_mode': dbt_pgtrickle._mode_column(row),
    'status': 'status',
    'cdc_mode': 'requested_cdc_mode',
    'partition_by': 'st_partition_key',
    'append_only': 'is_append_only',
    'diamond_consistency': 'diamond_consistency',
    'diamond_schedule_policy': 'diamond_schedule_policy',
    'pooler_compatibility_mode': 'pooler_compatibility_mode',
    'max_differential_joins': 'max_differential_joins',
    'max_delta_fraction': 'max_delta_fraction',
    'tier': 'refresh_tier',
    'fuse': 'fuse_mode',
    'fuse_ceiling': 'fuse_ceiling',
    'fuse_sensitivity': 'fuse_sensitivity',
  }) }}
{% endmacro %}


{# Where the mode that was asked for stands; older extensions keep only the one in effect. #}
{% macro _mode_column(row) %}
  {{ return('requested_refresh_mode' if row.get('requested_refresh_mode') else 'refresh_mode') }}
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
