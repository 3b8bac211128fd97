{# dbt run-operation pgtrickle_verify --args '{model_name: orders_by_day}': fails where table and query differ. #}
{% macro pgtrickle_verify(model_name, schema=none) %}
  {% set engine = dbt_pgtrickle._require_engine() %}
  {% set relation = dbt_pgtrickle._stream_table_named(model_name, schema) %}
  {% if 'verify_stream_table' not in engine.functions %}
    {% do exceptions.raise_compiler_error(
      'The engine in this database (' ~ dbt_pgtrickle._told(engine) ~ ') compares no stream table with its query. '
      ~ 'The test dbt_pgtrickle.stream_table_exact does, on either engine.'
    ) %}
  {% endif %}
  {% set different = dbt_pgtrickle._query_json(
    "select coalesce(json_agg(d), '[]')::text from pgtrickle.verify_stream_table("
    ~ dbt_pgtrickle._literal(dbt_pgtrickle._name(relation, engine)) ~ ") d"
  ) %}
  {% if different %}
    {% for row in different %}
      {% do log(row.row_text ~ ': ' ~ row.in_query ~ ' in the query, ' ~ row.in_table ~ ' in the table', info=true) %}
    {% endfor %}
    {% do exceptions.raise_compiler_error(
      relation ~ ' differs from its query. It was last refreshed at '
      ~ dbt_pgtrickle._describe(relation).row.last_refresh_at
      ~ ': what has changed since counts as a difference. To tell, refresh it and verify again: '
      ~ "dbt run-operation pgtrickle_refresh --args '{model_name: " ~ model_name ~ "}'"
    ) %}
  {% endif %}
  {% do log(relation ~ ': equals its query', info=true) %}
{% endmacro %}
