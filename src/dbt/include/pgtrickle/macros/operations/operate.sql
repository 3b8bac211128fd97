{# Calls an engine function on one stream table, commits, and says so. #}
{% macro _operate(model_name, schema, function, arguments, done) %}
  {% set engine = dbt_pgtrickle._require_engine() %}
  {% set relation = dbt_pgtrickle._stream_table_named(model_name, schema) %}
  {% call statement('pgtrickle_operation') %}
    {{ dbt_pgtrickle._call(engine, function, dict({'name': dbt_pgtrickle._name(relation, engine)}, **arguments)) }}
  {% endcall %}
  {% do dbt_pgtrickle._commit() %}
  {% do log(relation ~ ': ' ~ done, info=true) %}
{% endmacro %}
