{#
  Fails with the rows, as text, that a stream table and its query do not have in equal number. Under
  --empty it compares nothing, as all tests of dbt then read no rows.
#}
{% test stream_table_exact(model) %}
  {% set engine = dbt_pgtrickle.pgtrickle_engine() %}
  select * from (
    {% if not execute or 'verify_stream_table' in engine.functions %}
      select *
      from pgtrickle.verify_stream_table({{ dbt_pgtrickle._literal(dbt_pgtrickle._name(model, engine)) }})
    {% else %}
      {{ dbt_pgtrickle._difference_sql(model) }}
    {% endif %}
  ) difference
  where {{ 'false' if flags.EMPTY else 'true' }}
{% endtest %}


{# The same for an engine that does not compare by itself. #}
{% macro _difference_sql(relation) %}
  {% set existing = dbt_pgtrickle._describe(relation) %}
  {% if not existing or not existing.row %}
    {% do exceptions.raise_compiler_error(relation ~ ' is no stream table.') %}
  {% endif %}
  {% set table = dbt_pgtrickle._qualified(relation) %}
  {% set query = existing.row.original_query or existing.row.defining_query %}
  {% set visible = [] %}
  {% for column in adapter.get_columns_in_relation(relation) if not column.name.startswith('__pgt_') %}
    {% do visible.append(column.quoted) %}
  {% endfor %}
  {% set columns = visible | join(', ') %}
  (
    select {{ columns }} from {{ table }}
    except all
    select {{ columns }} from ({{ query }}) query
  )
  union all
  (
    select {{ columns }} from ({{ query }}) query
    except all
    select {{ columns }} from {{ table }}
  )
{% endmacro %}
