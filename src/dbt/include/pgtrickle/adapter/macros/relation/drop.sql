{# A stream table is a table to DROP; the engine notices, and other stream tables reading it wait for its return. #}
{% macro pgtrickle__get_drop_sql(relation) %}
  {%- if relation.type == 'stream_table' -%}
    {{ drop_table(relation) }}
  {%- else -%}
    {{ default__get_drop_sql(relation) }}
  {%- endif -%}
{% endmacro %}
