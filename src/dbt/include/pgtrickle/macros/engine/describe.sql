{#
  Which engine answers in the target database: {name: 'native' | 'portable' | none, version,
  functions: {name: [argument, ...]}}. Argument names come from the catalog, because they grew
  over the versions of the extension; of overloaded functions, all names count.
#}
{% macro pgtrickle_engine() %}
  {% if not execute %}{{ return({'name': none, 'version': none, 'functions': {}}) }}{% endif %}
  {% set engine = dbt_pgtrickle._query_json("
    select json_build_object(
      'name', case
        when e.extversion is not null then 'native'
        when to_regclass('pgtrickle.pgt_stream_tables') is not null then 'portable'
      end,
      'version', e.extversion,
      'functions', (
        select coalesce(json_object_agg(f.proname, f.arguments), '{}')
        from (
          select p.proname, array_agg(distinct a.name::text) filter (where a.name <> '') as arguments
          from pg_catalog.pg_proc p
          join pg_catalog.pg_namespace n on n.oid = p.pronamespace
          left join lateral unnest(p.proargnames) as a(name) on true
          where n.nspname = 'pgtrickle'
            and p.proname in ('create_stream_table', 'create_or_replace_stream_table',
              'alter_stream_table', 'drop_stream_table', 'refresh_stream_table', 'try_refresh',
              'verify_stream_table', 'resume_stream_table', 'reset_fuse',
              'parse_duration_seconds', 'explain_refresh_mode', 'check_cdc_health')
          group by p.proname
        ) f
      )
    )::text
    from (select 1) one
    left join pg_catalog.pg_extension e on e.extname = 'pg_trickle'
  ") %}
  {% if engine.name == 'portable' %}
    {% do engine.update({'version': dbt_pgtrickle._query_json('select to_json(pgtrickle.version())::text')}) %}
  {% endif %}
  {{ return(engine) }}
{% endmacro %}
