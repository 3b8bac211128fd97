{#
  Makes the indexes dbt created equal to those the model configures, keeping what already fits.
  dbt names an index by a hash; the engine's indexes and the user's have other names and stay.
#}
{% macro _apply_indexes(relation) %}
  {% set wanted = [] %}
  {% for raw in config.get('indexes', []) or [] %}
    {% set index = adapter.parse_index(raw) %}
    {% do wanted.append({
      'raw': raw,
      'shape': [index.columns | join(','), index.unique or false, index.type or 'btree'],
    }) %}
  {% endfor %}
  {% set present = dbt_pgtrickle._query_json("
    select coalesce(json_agg(json_build_object('name', i.relname, 'shape', json_build_array(
      (
        select string_agg(a.attname, ',' order by k.place)
        from unnest(x.indkey::int2[]) with ordinality k(attnum, place)
        join pg_catalog.pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.attnum
      ), x.indisunique, m.amname))), '[]')::text
    from pg_catalog.pg_index x
    join pg_catalog.pg_class i on i.oid = x.indexrelid
    join pg_catalog.pg_am m on m.oid = i.relam
    where x.indrelid = " ~ dbt_pgtrickle._literal(relation.include(database=false) | string) ~ "::regclass
      and i.relname ~ '^[0-9a-f]{32}$'
  ", true) %}
  {% for index in present if index.shape not in wanted | map(attribute='shape') | list %}
    {% call statement('pgtrickle_index') %}{{ get_drop_index_sql(relation, index.name) }}{% endcall %}
  {% endfor %}
  {% for index in wanted if index.shape not in present | map(attribute='shape') | list %}
    {% call statement('pgtrickle_index') %}{{ get_create_index_sql(relation, index.raw) }}{% endcall %}
  {% endfor %}
{% endmacro %}
