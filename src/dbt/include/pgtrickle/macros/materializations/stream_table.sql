{#
  A model as a stream table. One transaction holds everything from the first in-transaction hook to
  the last: on any failure the table, its data and its definition are what they were.
#}
{% materialization stream_table, adapter='postgres', supported_languages=['sql'] %}
  {%- set settings = dbt_pgtrickle._settings() -%}
  {%- set target_relation = dbt_pgtrickle._typed(this) -%}
  {%- set wanted = dbt_pgtrickle._wanted_configuration(target_relation, settings) -%}
  {%- set definition = dbt_pgtrickle._definition(sql) -%}
  {%- set engine = dbt_pgtrickle._require_engine() -%}
  {%- do dbt_pgtrickle._check_options(engine, settings) -%}

  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {%- set prepared = dbt_pgtrickle._prepare(engine, target_relation, definition, settings, wanted) -%}
  {% do dbt_pgtrickle._begin(is_open=(pre_hooks | selectattr('transaction', 'equalto', false) | list | length == 0)) %}
  {% do dbt_pgtrickle._take_turn(engine, target_relation, definition) %}
  {% if config.get('contract').enforced %}
    {% do get_assert_columns_equivalent(definition) %}
  {% endif %}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {# Hooks may have made of it what they like. #}
  {%- set existing = prepared if prepared and not pre_hooks
    else dbt_pgtrickle._describe(target_relation, auto_begin=true, wanted=wanted) -%}
  {%- set outcome = dbt_pgtrickle._build(engine, target_relation, existing, definition, settings, wanted) -%}

  {% if outcome.is_configured %}
    {% do dbt_pgtrickle._settle_objects(target_relation, wanted) %}
  {% endif %}
  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {% do apply_grants(target_relation, dbt_pgtrickle._wanted_grants(settings), should_revoke=outcome.kept_grants) %}
  {% do persist_docs(target_relation, model) %}

  {% do dbt_pgtrickle._warn_of_idle_schedules(engine) %}
  {% do dbt_pgtrickle._commit() %}
  {% if outcome.failure %}
    {% do exceptions.raise_compiler_error('The refresh of ' ~ target_relation ~ ' failed: ' ~ outcome.failure) %}
  {% endif %}
  {{ run_hooks(post_hooks, inside_transaction=False) }}

  {% do store_raw_result('main', message=outcome.message, code='STREAM TABLE', rows_affected=outcome.rows) %}
  {% do log('Stream table ' ~ target_relation ~ ': ' ~ outcome.message) %}
  {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
