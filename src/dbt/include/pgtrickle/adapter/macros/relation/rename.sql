{% macro pgtrickle__get_rename_sql(relation, new_name) %}
  {%- if relation.type == 'stream_table' -%}
    {{ get_rename_table_sql(relation, new_name) }}
  {%- else -%}
    {{ default__get_rename_sql(relation, new_name) }}
  {%- endif -%}
{% endmacro %}
