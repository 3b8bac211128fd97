{#
  Why a stream table has to be built anew although nobody asked for it, or none. The portable engine
  follows its sources by their names, and retypes columns; the extension does neither.
#}
{% macro _reason_to_rebuild(engine, relation, existing, definition) %}
  {% if engine.name == 'portable' %}
    {{ return(none) }}
  {% elif existing.lost_source %}
    {{ return('something it reads was replaced') }}
  {% elif dbt_pgtrickle._is_defined_by(existing, definition) %}
    {{ return(none) }}
  {% endif %}
  {{ return(dbt_pgtrickle._retyped_column(relation, definition)) }}
{% endmacro %}


{#
  The first column that has another type in the definition than in the table, in words, or none.
  Altering its query, the extension would keep the old type where a cast leads there by itself, and
  fail on the first value that does not fit; else it would replace the table without its rights and
  comments.
#}
{% macro _retyped_column(relation, definition) %}
  {% set present = dbt_pgtrickle._query_json("
    select json_object_agg(attname, atttypid::regtype::text)::text
    from pg_catalog.pg_attribute
    where attrelid = " ~ dbt_pgtrickle._regclass(relation) ~ "
      and attnum > 0
      and not attisdropped
  ", true) %}
  {% set names = [] %}
  {% set types = [] %}
  {% for name in get_columns_in_query(definition) %}
    {% do names.append(dbt_pgtrickle._literal(name)) %}
    {% do types.append('pg_typeof(q.' ~ dbt_pgtrickle._identifier(name) ~ ')::text') %}
  {% endfor %}
  {# Of no rows, outer joined to one. #}
  {% set wanted = dbt_pgtrickle._query_json(
    'select json_object_agg(c.name, c.type)::text from (select 1) one left join (select * from (\n'
    ~ definition ~ '\n) query limit 0) q on true cross join lateral unnest(array['
    ~ names | join(', ') ~ '], array[' ~ types | join(', ') ~ ']) c(name, type)', true
  ) %}
  {% for name, type in wanted.items() if present.get(name, type) != type %}
    {{ return('the type of ' ~ name ~ ' changes from ' ~ present[name] ~ ' to ' ~ type) }}
  {% endfor %}
  {{ return(none) }}
{% endmacro %}
