{#
  Which engine answers in the target database: {name: 'native' | 'portable' | none, version,
  has_citus, functions: {name: [argument, ...]}, widest: {name: argument}}. Argument names come from the
  catalog, because they grew over the versions of the extension. A database upgraded from an old one
  can have a function twice, with fewer and with more arguments, and a call that fits both is
  refused: `widest` names an argument that the larger alone has.
#}
{% macro pgtrickle_engine() %}
  {% set engine = dbt_pgtrickle._engine() %}
  {% do engine.update({'version': dbt_pgtrickle._version(engine)}) %}
  {{ return(engine) }}
{% endmacro %}


{# The same, in one question: what models need. Of the portable engine the version is left out. #}
{% macro _engine() %}
  {% if not execute %}{{ return({'name': none, 'version': none, 'has_citus': false, 'functions': {}, 'widest': {}}) }}{% endif %}
  {# All that macros call with arguments, or ask for. #}
  {% set functions = "
    'create_stream_table', 'create_or_replace_stream_table', 'alter_stream_table', 'drop_stream_table',
    'refresh_stream_table', 'try_refresh', '_rerun', 'verify_stream_table', 'resume_stream_table',
    'reset_fuse', 'check_cdc_health', 'trigger_inventory', 'validate_options', 'explain_st'
  " %}
  {{ return(dbt_pgtrickle._query_json("
    select json_build_object(
      'name', case
        when e.extversion is not null then 'native'
        when to_regclass('pgtrickle.pgt_stream_tables') is not null then 'portable'
      end,
      'version', e.extversion,
      'has_citus', exists (select from pg_catalog.pg_extension where extname = 'citus'),
      'functions', (
        select coalesce(json_object_agg(f.proname, f.arguments), '{}')
        from (
          select p.proname, array_agg(distinct a.name::text) filter (where a.name <> '') as arguments
          from pg_catalog.pg_proc p
          join pg_catalog.pg_namespace n on n.oid = p.pronamespace
          left join lateral unnest(p.proargnames) as a(name) on true
          where n.nspname = 'pgtrickle'
            and p.proname in (" ~ functions ~ ")
          group by p.proname
        ) f
      ),
      'widest', (
        select coalesce(json_object_agg(w.proname, w.argument), '{}')
        from (
          select distinct on (p.proname) p.proname, a.name as argument
          from pg_catalog.pg_proc p
          join pg_catalog.pg_namespace n on n.oid = p.pronamespace
          join pg_catalog.pg_proc smaller on smaller.pronamespace = n.oid and smaller.proname = p.proname
            and smaller.pronargs < p.pronargs
          cross join unnest(p.proargnames) a(name)
          where n.nspname = 'pgtrickle'
            and p.proname in (" ~ functions ~ ")
            and a.name <> all (smaller.proargnames)
          order by p.proname, p.pronargs desc
        ) w
      )
    )::text
    from (select 1) one
    left join pg_catalog.pg_extension e on e.extname = 'pg_trickle'
  ")) }}
{% endmacro %}


{% macro _version(engine) %}
  {% if engine.name == 'portable' and engine.version is none %}
    {{ return(dbt_pgtrickle._query_json('select to_json(pgtrickle.version())::text')) }}
  {% endif %}
  {{ return(engine.version) }}
{% endmacro %}
