{#
  `dbt clone` makes a view of all columns of another environment's relation: of a stream table, of those
  that are not the extension's own.
#}
{% macro pgtrickle__create_view_as(relation, sql) %}
  {% set columns = [] %}
  {% if defer_relation is defined and defer_relation and sql | trim == 'select * from ' ~ defer_relation %}
    {% for column in adapter.get_columns_in_relation(defer_relation) %}
      {% do columns.append(adapter.quote(column.name)) %}
    {% endfor %}
  {% endif %}
  {{ return(default__create_view_as(relation, 'select ' ~ columns | join(', ') ~ ' from ' ~ defer_relation if columns else sql)) }}
{% endmacro %}
