{#
  What a stream table is configured to be besides its query, in one form for the model and for the
  database: {settings: {name: value}, indexes: [{mark, label, name, raw}], constraints: [{mark,
  name, definition}], not_null: [column]}. A mark stands for all that matters of an index or a
  constraint; it is kept in the comment on it, which also tells dbt's from others.
#}
{% macro _wanted_configuration(relation, settings) %}
  {% set compared = {} %}
  {% for name in dbt_pgtrickle._columns_of_settings({}) if settings[name] is not none %}
    {% do compared.update({name: 'SUSPENDED' if settings[name] == 'PAUSED' else settings[name]}) %}
  {% endfor %}
  {# None is a wish too. #}
  {% do compared.update({'partition_by': settings.partition_by}) %}
  {% if settings.refresh_mode != 'IMMEDIATE' %}
    {% do compared.update({'schedule': settings.schedule or 'calculated'}) %}
  {% else %}
    {% do compared.pop('schedule', none) %}
  {% endif %}
  {% set constraints = dbt_pgtrickle._wanted_constraints(relation) %}
  {{ return({
    'settings': compared,
    'indexes': dbt_pgtrickle._wanted_indexes(),
    'constraints': constraints.constraints,
    'not_null': constraints.not_null,
  }) }}
{% endmacro %}


{# `row` is the table's row of pgt_stream_tables, `wanted` the model's side. #}
{% macro _present_configuration(engine, relation, row, wanted) %}
  {% set present = dbt_pgtrickle._present_objects(relation, wanted) %}
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
  {{ return(dict(present, settings=settings)) }}
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


{#
  What has to change: {options, indexes, constraints, not_null: [{action, context}],
  requires_full_refresh}. The adapter has classes for it; what they do is done here without it.
#}
{% macro _configuration_changes(present, wanted) %}
  {{ return(adapter.dispatch('configuration_changes', 'dbt_pgtrickle')(present, wanted)) }}
{% endmacro %}


{% macro pgtrickle__configuration_changes(present, wanted) %}
  {{ return(adapter.stream_table_changes(present, wanted)) }}
{% endmacro %}


{% macro postgres__configuration_changes(present, wanted) %}
  {% set options = [] %}
  {% for name, value in wanted.settings.items() if name in present.settings %}
    {% set before = present.settings.get(name) %}
    {% if before | lower != value | lower and not (before is number and value is number and before == value) %}
      {% do options.append({'action': 'alter', 'context': [name, before, value]}) %}
    {% endif %}
  {% endfor %}
  {% set changes = {'options': options, 'indexes': [], 'constraints': [], 'not_null': []} %}
  {% for kind in ['indexes', 'constraints'] %}
    {% for one in present[kind] if one.mark not in wanted[kind] | map(attribute='mark') | list %}
      {% do changes[kind].append({'action': 'drop', 'context': one}) %}
    {% endfor %}
    {% for one in wanted[kind] if one.mark not in present[kind] | map(attribute='mark') | list %}
      {% do changes[kind].append({'action': 'create', 'context': one}) %}
    {% endfor %}
  {% endfor %}
  {% for column in present.not_null if column not in wanted.not_null %}
    {% do changes.not_null.append({'action': 'drop', 'context': {'column': column}}) %}
  {% endfor %}
  {% for column in wanted.not_null if column not in present.not_null %}
    {% do changes.not_null.append({'action': 'create', 'context': {'column': column}}) %}
  {% endfor %}
  {% do changes.update({'requires_full_refresh': 'partition_by' in options | map(attribute='context') | map('first') | list}) %}
  {{ return(changes) }}
{% endmacro %}


{# Changes as people read them; those of indexes and constraints alone where `objects_only`. #}
{% macro _changes_in_words(changes, objects_only=false) %}
  {% set words = [] %}
  {% for change in changes.options if not objects_only %}
    {% do words.append(change.context[0] ~ ' (' ~ change.context[1] ~ ' in the database, ' ~ change.context[2] ~ ' in the model)') %}
  {% endfor %}
  {% set done = {'create': ' added', 'drop': ' dropped'} %}
  {% for change in changes.indexes %}
    {% do words.append('index on ' ~ change.context.label ~ done[change.action]) %}
  {% endfor %}
  {% for change in changes.constraints %}
    {% do words.append('constraint ' ~ change.context.name ~ done[change.action]) %}
  {% endfor %}
  {% for change in changes.not_null %}
    {% do words.append('not null of ' ~ change.context.column ~ done[change.action]) %}
  {% endfor %}
  {{ return(words) }}
{% endmacro %}


{# Indexes and constraints as the model says, whatever was done to the table before. #}
{% macro _settle_objects(relation, wanted) %}
  {% set present = dict(dbt_pgtrickle._present_objects(relation, wanted), settings={}) %}
  {% set changes = dbt_pgtrickle._configuration_changes(present, dict(wanted, settings={})) %}
  {% do dbt_pgtrickle._apply_object_changes(relation, changes) %}
{% endmacro %}
