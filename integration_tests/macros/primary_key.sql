{#
  For seeds, which have no key: the extension keeps what reads tables without one wrongly. A clone is
  a view, and a seed loaded again has its key already. No DO, which dbt 2 cuts at its semicolons.
#}
{% macro primary_key(column) %}
  {% set table = this.include(database=false) %}
  {% set lacking = run_query("
    select 1
    from pg_class c
    where c.oid = to_regclass('" ~ table ~ "')
      and relkind = 'r'
      and not exists (select from pg_constraint where conrelid = c.oid and contype = 'p')
  ") %}
  {% for row in (lacking.rows if lacking else []) %}
    alter table {{ table }} add primary key ({{ column }})
  {% else %}
    select 1
  {% endfor %}
{% endmacro %}
