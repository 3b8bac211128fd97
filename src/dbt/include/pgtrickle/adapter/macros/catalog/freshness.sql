{#
  When each relation last changed: the last refresh of a stream table. dbt wants a row for every
  relation it asks about; one that is no stream table has no such time.
#}
{% macro pgtrickle__get_relation_last_modified(information_schema, relations) %}
  {% set there = run_query("select to_regclass('pgtrickle.pgt_stream_tables') is not null")[0][0] %}
  {% call statement('last_modified', fetch_result=true) %}
    select
      wanted.schema,
      wanted.identifier,
      {{ 's.last_refresh_at' if there else 'null::timestamptz' }} as last_modified,
      now() as snapshotted_at
    from (
      values
      {% for relation in relations %}
        ('{{ relation.schema | replace("'", "''") }}', '{{ relation.identifier | replace("'", "''") }}'){{ ',' if not loop.last }}
      {% endfor %}
    ) as wanted(schema, identifier)
    {% if there %}
    left join pg_catalog.pg_namespace n on n.nspname = wanted.schema
    left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = wanted.identifier
    left join pgtrickle.pgt_stream_tables s on s.pgt_relid = c.oid
    {% endif %}
  {% endcall %}
  {{ return(load_result('last_modified')) }}
{% endmacro %}
