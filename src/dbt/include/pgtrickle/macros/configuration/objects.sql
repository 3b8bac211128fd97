{#
  The indexes and constraints that are there because dbt made them. dbt names an index by a hash, so
  the engine's and the user's, which have other names, stay. NOT NULL cannot be told whose it is:
  it is as the model says.
#}
{% macro _present_objects(relation, wanted) %}
  {{ return(dbt_pgtrickle._query_json(
    'select ' ~ dbt_pgtrickle._objects_of(wanted) ~ '::text from (select ' ~ dbt_pgtrickle._regclass(relation) ~ '::oid) t(oid)', true
  )) }}
{% endmacro %}


{# The same as an expression, of JSON, about the table `t.oid`. #}
{% macro _objects_of(wanted) %}
  {% set names = [] %}
  {% for constraint in wanted.constraints %}
    {% do names.append(dbt_pgtrickle._literal(dbt_pgtrickle._unquoted(constraint.name))) %}
  {% endfor %}
  {{ return("json_build_object(
      'indexes', (
        select coalesce(json_agg(json_build_object(
          'name', i.relname,
          'label', (
            select string_agg(pg_catalog.pg_get_indexdef(i.oid, position, true), ', ' order by position)
            from generate_series(1, x.indnkeyatts) position
          ),
          'mark', coalesce(substring(pg_catalog.obj_description(i.oid, 'pg_class') from '^dbt ([0-9a-f]{32})$'), '')
        )), '[]')
        from pg_catalog.pg_index x
        join pg_catalog.pg_class i on i.oid = x.indexrelid
        where x.indrelid = t.oid
          and i.relname ~ '^[0-9a-f]{32}$'
      ),
      'constraints', (
        select coalesce(json_agg(json_build_object('name', pg_catalog.quote_ident(k.conname), 'mark', coalesce(k.mark, ''))), '[]')
        from (
          select k.conname, k.contype,
            substring(pg_catalog.obj_description(k.oid, 'pg_constraint') from '^dbt ([0-9a-f]{32})$') as mark
          from pg_catalog.pg_constraint k
          where k.conrelid = t.oid
        ) k
        where k.contype in ('p', 'u', 'c', 'f', 'x')
          and (k.mark is not null or k.conname ~ '^dbt_[0-9a-f]{32}$'" ~ (' or k.conname in (' ~ names | join(', ') ~ ')' if names) ~ ")
      ),
      'not_null', (
        select coalesce(json_agg(a.attname), '[]')
        from pg_catalog.pg_attribute a
        where a.attrelid = t.oid
          and a.attnum > 0
          and a.attnotnull
          and a.attname not like '\\_\\_pgt\\_%'
          and not exists (
            select from pg_catalog.pg_index x
            where x.indrelid = t.oid
              and x.indisprimary
              and a.attnum = any (x.indkey::int2[])
          )
      )
    )") }}
{% endmacro %}


{#
  Makes indexes and constraints what the model says. `only_drop` before a change of the table, which
  what is not wanted any more could stand in the way of.
#}
{% macro _apply_object_changes(relation, changes, only_drop=false) %}
  {% set statements = [] %}
  {% set table = 'alter table ' ~ relation.include(database=false) %}
  {% for change in changes.constraints if change.action == 'drop' %}
    {% do statements.append(table ~ ' drop constraint ' ~ change.context.name) %}
  {% endfor %}
  {% for change in changes.indexes if change.action == 'drop' %}
    {% do statements.append('drop index ' ~ dbt_pgtrickle._identifier(relation.schema) ~ '.' ~ dbt_pgtrickle._identifier(change.context.name)) %}
  {% endfor %}
  {% for change in changes.not_null if change.action == 'drop' %}
    {% do statements.append(table ~ ' alter column ' ~ dbt_pgtrickle._identifier(change.context.column) ~ ' drop not null') %}
  {% endfor %}
  {% if not only_drop %}
    {% for change in changes.not_null if change.action == 'create' %}
      {% do statements.append(table ~ ' alter column ' ~ dbt_pgtrickle._identifier(change.context.column) ~ ' set not null') %}
    {% endfor %}
    {% for change in changes.constraints if change.action == 'create' %}
      {% do statements.append(table ~ ' add constraint ' ~ change.context.name ~ ' ' ~ change.context.definition) %}
      {% do statements.append('comment on constraint ' ~ change.context.name ~ ' on ' ~ relation.include(database=false) ~ " is 'dbt " ~ change.context.mark ~ "'") %}
    {% endfor %}
    {% for change in changes.indexes if change.action == 'create' %}
      {% do statements.extend(dbt_pgtrickle._create_index_statements(relation, change.context)) %}
    {% endfor %}
  {% endif %}
  {% for sql in statements %}
    {% call statement('pgtrickle_object') %}{{ sql }}{% endcall %}
  {% endfor %}
{% endmacro %}


{# Indexes and constraints as the model says, whatever was done to the table before. #}
{% macro _settle_objects(relation, wanted) %}
  {% set present = dict(dbt_pgtrickle._present_objects(relation, wanted), settings={}) %}
  {% set changes = dbt_pgtrickle._configuration_changes(present, dict(wanted, settings={})) %}
  {% do dbt_pgtrickle._apply_object_changes(relation, changes) %}
{% endmacro %}
