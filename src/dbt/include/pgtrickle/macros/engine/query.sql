{#
  The one value a query returns, read from JSON: dbt's own tables guess at types, and would make a
  number of the schedule '5'. `auto_begin` opens dbt's transaction. dbt keeps the statement `main` in a
  file, as that of the model.
#}
{% macro _query_json(sql, auto_begin=false, name='pgtrickle_query') %}
  {% call statement(name, fetch_result=true, auto_begin=auto_begin) %}
    {{ sql }}
  {% endcall %}
  {% set rows = load_result(name)['data'] %}
  {{ return(fromjson(rows[0][0]) if rows and rows[0][0] is not none else none) }}
{% endmacro %}
