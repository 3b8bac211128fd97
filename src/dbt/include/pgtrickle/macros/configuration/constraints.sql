{#
  The constraints a model declares: {constraints: [{mark, name, definition}], not_null: [column]}.
  As everywhere in dbt they are for models with an enforced contract; those of columns are made
  as if the model had them.
#}
{% macro _wanted_constraints(relation) %}
  {% set declared = [] %}
  {% set not_null = [] %}
  {% if config.get('contract').enforced %}
    {% for constraint in model.get('constraints') or [] %}
      {% do declared.append(constraint) %}
    {% endfor %}
    {% for column in model.columns.values() %}
      {% set name = dbt_pgtrickle._identifier(column.name) if column.get('quote') else column.name %}
      {% for constraint in column.get('constraints') or [] %}
        {% if constraint.type == 'not_null' %}
          {% do not_null.append(dbt_pgtrickle._unquoted(name)) %}
        {% else %}
          {% do declared.append(dict(constraint, columns=[name])) %}
        {% endif %}
      {% endfor %}
    {% endfor %}
  {% endif %}
  {% set constraints = [] %}
  {% for constraint in declared %}
    {% for definition in adapter.render_raw_model_constraints(raw_constraints=[dict(constraint, name=none)]) %}
      {% set name = constraint.name or 'dbt_' ~ local_md5(relation.include(database=false) ~ ' ' ~ definition) %}
      {% do constraints.append({'mark': local_md5(name ~ ' ' ~ definition), 'name': name, 'definition': definition}) %}
    {% endfor %}
  {% endfor %}
  {{ return({'constraints': constraints, 'not_null': dbt_pgtrickle._without_key(not_null, declared)}) }}
{% endmacro %}


{# Of these columns, those that no primary key keeps from being null anyway. #}
{% macro _without_key(columns, constraints) %}
  {% set in_key = [] %}
  {% for constraint in constraints if constraint.type == 'primary_key' %}
    {% for column in constraint.columns %}
      {% do in_key.append(dbt_pgtrickle._unquoted(column)) %}
    {% endfor %}
  {% endfor %}
  {{ return(columns | unique(case_sensitive=true) | reject('in', in_key) | list) }}
{% endmacro %}


{# An identifier as the catalog has it, from how it stands in SQL. #}
{% macro _unquoted(identifier) %}
  {% if identifier.startswith('"') and identifier.endswith('"') %}
    {{ return(identifier[1:-1] | replace('""', '"')) }}
  {% endif %}
  {{ return(identifier | lower) }}
{% endmacro %}
