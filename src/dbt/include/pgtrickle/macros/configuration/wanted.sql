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
    'indexes': dbt_pgtrickle._wanted_indexes(settings),
    'constraints': constraints.constraints,
    'not_null': constraints.not_null,
  }) }}
{% endmacro %}
