{#
  When a stream table last was brought up to date, as a query: for `loaded_at_query` of a source,
  so that `dbt source freshness` works on dbt-postgres (dbt 1.10 and later).
#}
{% macro loaded_at(relation) %}
select s.last_refresh_at
from pgtrickle.pgt_stream_tables s
join pg_catalog.pg_class c on c.oid = s.pgt_relid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = {{ dbt_pgtrickle._literal(relation.schema) }}
  and c.relname = {{ dbt_pgtrickle._literal(relation.identifier) }}
{% endmacro %}
