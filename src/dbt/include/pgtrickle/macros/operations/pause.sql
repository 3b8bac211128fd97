{# dbt run-operation pgtrickle_pause --args '{model_name: orders_by_day}' #}
{% macro pgtrickle_pause(model_name, schema=none) %}
  {% do dbt_pgtrickle._operate(model_name, schema, 'alter_stream_table', {'status': 'SUSPENDED'}, 'paused') %}
{% endmacro %}


{% macro pgtrickle_resume(model_name, schema=none) %}
  {% do dbt_pgtrickle._operate(model_name, schema, 'resume_stream_table', {}, 'resumed') %}
{% endmacro %}


{# action: apply, reinitialize or skip_changes. #}
{% macro pgtrickle_reset_fuse(model_name, action='apply', schema=none) %}
  {% do dbt_pgtrickle._operate(model_name, schema, 'reset_fuse', {'action': action}, 'fuse reset') %}
{% endmacro %}


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
