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
