{#
  The columns of a relation, without those the extension keeps in a stream table for itself: they are
  none of the query's, so contracts, unit tests and `star` must not see them.
#}
{% macro pgtrickle__get_columns_in_relation(relation) %}
  {% set columns = postgres__get_columns_in_relation(relation) %}
  {% set visible = [] %}
  {% for column in columns if not column.name.startswith('__pgt_') %}
    {% do visible.append(column) %}
  {% endfor %}
  {% if columns | length == visible | length
      or not run_query("select to_regclass('pgtrickle.pgt_stream_tables') is not null")[0][0] %}
    {{ return(columns) }}
  {% endif %}
  {% call statement('is_stream_table', fetch_result=true) %}
    select exists (
      select from pgtrickle.pgt_stream_tables s
      where s.pgt_relid = '{{ relation.include(database=false) | string | replace("'", "''") }}'::regclass
    )
  {% endcall %}
  {{ return(visible if load_result('is_stream_table')['data'][0][0] else columns) }}
{% endmacro %}
