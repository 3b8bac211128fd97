{#
  What stands under a relation's name now: none, or {kind: 'stream table' | 'table' | 'view' |
  'materialized view' | ..., row: its row of pgt_stream_tables, read_by_stream_tables, lost_source:
  whether something it reads was dropped, objects: its indexes and constraints, for whoever knows what
  they are `wanted` to be}. dbt's cache cannot tell: to dbt-postgres a stream table is a table.
#}
{% macro _describe(relation, auto_begin=false, wanted=none) %}
  {{ return(dbt_pgtrickle._query_json("
    select json_build_object(
      'kind', case
        when s.pgt_id is not null then 'stream table'
        when c.relkind in ('r', 'p') then 'table'
        when c.relkind = 'v' then 'view'
        when c.relkind = 'm' then 'materialized view'
        when c.relkind = 'f' then 'foreign table'
        else 'relation'
      end,
      'row', case when s.pgt_id is not null then row_to_json(s) end,
      'objects', " ~ ('case when s.pgt_id is not null then (select ' ~ dbt_pgtrickle._objects_of(wanted)
        ~ ' from (select c.oid) t(oid)) end' if wanted else 'null') ~ ",
      'read_by_stream_tables', exists (
        select from pgtrickle.pgt_dependencies d
        where d.source_relid = c.oid
          and d.pgt_id <> s.pgt_id
      ),
      'lost_source', exists (
        select from pgtrickle.pgt_dependencies d
        where d.pgt_id = s.pgt_id
          and not exists (select from pg_catalog.pg_class source where source.oid = d.source_relid)
      )
    )::text
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pgtrickle.pgt_stream_tables s on s.pgt_relid = c.oid
    where n.nspname = " ~ dbt_pgtrickle._literal(relation.schema) ~ "
      and c.relname = " ~ dbt_pgtrickle._literal(relation.identifier) ~ "
  ", auto_begin)) }}
{% endmacro %}
