{#
  A query with one row about one stream table: its health in a word, and the facts behind it. It
  reads the catalog by the table's OID, so that renames and quoting are no matter.
  warn_seconds none: 300, or five minutes more than the table's own schedule where that is longer.
#}
{% macro _health_sql(relation, warn_seconds=none) %}
    select
      {{ dbt_pgtrickle._literal(dbt_pgtrickle._qualified(relation)) }} as stream_table,
      case
        when s.pgt_id is null then 'not_found'
        when s.status = 'ERROR' or s.consecutive_errors > 0 then 'erroring'
        when to_jsonb(s) ->> 'fuse_state' = 'blown' then 'fuse_blown'
        when s.status = 'SUSPENDED' then 'paused'
        when not s.is_populated then 'not_populated'
        when s.refresh_mode <> 'IMMEDIATE'
          and extract(epoch from now() - s.last_refresh_at) > {{ dbt_pgtrickle._limit_sql(warn_seconds) }}
        then 'stale'
        else 'healthy'
      end as status,
      extract(epoch from now() - s.last_refresh_at)::bigint as staleness_seconds,
      {{ dbt_pgtrickle._limit_sql(warn_seconds) }} as warn_seconds,
      s.schedule,
      s.consecutive_errors,
      s.last_refresh_at,
      coalesce(h.total_refreshes, 0) as total_refreshes,
      s.is_populated,
      coalesce(to_jsonb(s) ->> 'requested_refresh_mode', s.refresh_mode) as refresh_mode,
      coalesce(to_jsonb(s) ->> 'effective_refresh_mode', s.refresh_mode) as effective_refresh_mode,
      coalesce(to_jsonb(s) ->> 'blow_reason', to_jsonb(s) ->> 'refresh_reason') as reason,
      to_jsonb(s) ->> 'last_error_message' as last_error_message
    from (
      select c.oid
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = {{ dbt_pgtrickle._literal(relation.schema) }}
        and c.relname = {{ dbt_pgtrickle._literal(relation.identifier) }}
    ) wanted
    right join (select 1) always on true
    left join pgtrickle.pgt_stream_tables s on s.pgt_relid = wanted.oid
    left join lateral (
      select count(*) as total_refreshes
      from pgtrickle.pgt_refresh_history r
      where r.pgt_id = s.pgt_id
    ) h on true
{% endmacro %}
