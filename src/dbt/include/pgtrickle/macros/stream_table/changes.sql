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
