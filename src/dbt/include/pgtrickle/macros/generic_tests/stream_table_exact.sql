{# Fails with the rows, as text, that a stream table and its query do not have in equal number. #}
{% test stream_table_exact(model) %}
  {% set engine = dbt_pgtrickle.pgtrickle_engine() %}
  {% if not execute or 'verify_stream_table' in engine.functions %}
    select *
    from pgtrickle.verify_stream_table({{ dbt_pgtrickle._literal(dbt_pgtrickle._name(model, engine)) }})
  {% else %}
    {% set existing = dbt_pgtrickle._describe(model) %}
    {% if not existing or not existing.row %}
      {% do exceptions.raise_compiler_error(model ~ ' is no stream table.') %}
    {% endif %}
    {% set query = existing.row.original_query or existing.row.defining_query %}
    {% set visible = [] %}
    {% for column in adapter.get_columns_in_relation(model) if not column.name.startswith('__pgt_') %}
      {% do visible.append(column.quoted) %}
    {% endfor %}
    {% set columns = visible | join(', ') %}
    (
      select {{ columns }} from {{ model }}
      except all
      select {{ columns }} from ({{ query }}) query
    )
    union all
    (
      select {{ columns }} from ({{ query }}) query
      except all
      select {{ columns }} from {{ model }}
    )
  {% endif %}
{% endtest %}
