{#
  The commands that give a table of the same name the rights and comments this one has:
  [{command, column: the one it is about, or none}].
#}
{% macro _rights_and_comments(relation) %}
  {{ return(dbt_pgtrickle._query_json("
    select coalesce(json_agg(json_build_object('command', c.command, 'column', c.attname)), '[]')::text
    from (
      select c.oid, c.relacl, c.relowner, format('%I.%I', n.nspname, c.relname) as name
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.oid = " ~ dbt_pgtrickle._regclass(relation) ~ "
    ) t
    cross join lateral (
      select e.attname, format('grant %s%s on %s to %s%s', e.privilege_type,
        coalesce(' (' || quote_ident(e.attname) || ')', ''), t.name,
        case when e.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(e.grantee)) end,
        case when e.is_grantable then ' with grant option' else '' end)
      from (
        select null::name as attname, r.* from aclexplode(t.relacl) r
        union all
        select a.attname, r.*
        from pg_catalog.pg_attribute a
        cross join aclexplode(a.attacl) r
        where a.attrelid = t.oid
          and not a.attisdropped
      ) e
      where e.grantee <> t.relowner
      union all
      select a.attname, case
        when a.attname is null then format('comment on table %s is %L', t.name, d.description)
        else format('comment on column %s.%I is %L', t.name, a.attname, d.description)
      end
      from pg_catalog.pg_description d
      left join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = d.objsubid and d.objsubid > 0
      where d.classoid = 'pg_catalog.pg_class'::regclass
        and d.objoid = t.oid
    ) c(attname, command)
  ", true)) }}
{% endmacro %}


{# Runs those commands, but for those about columns that the table does not have any more. #}
{% macro _give_again(relation, commands) %}
  {% if commands %}
    {% set columns = dbt_pgtrickle._query_json(
      "select json_agg(attname)::text from pg_catalog.pg_attribute where not attisdropped and attrelid = "
      ~ dbt_pgtrickle._regclass(relation), true
    ) %}
    {% for one in commands if one.column is none or one.column in columns %}
      {% call statement('pgtrickle_give_again') %}{{ one.command }}{% endcall %}
    {% endfor %}
  {% endif %}
{% endmacro %}
