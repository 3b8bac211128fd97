{#
  Makes the stream table be there, as the model says, and current. `wanted` is its configuration.
  Returns {message, rows, kept_grants, is_configured, failure}: what was done and why; rows changed;
  whether the table kept its grants; whether indexes and constraints are to be as the model says;
  the message of a refresh that failed, for the caller to raise after its commit.
#}
{% macro _build(engine, relation, existing, definition, settings, wanted) %}
  {% set is_stream_table = existing is not none and existing.kind == 'stream table' %}
  {% set is_anew = not is_stream_table or (flags.FULL_REFRESH if settings.full_refresh is none else settings.full_refresh) %}
  {% set changes = none if is_anew else dbt_pgtrickle._configuration_changes(
    dbt_pgtrickle._present_configuration(engine, existing, wanted), wanted
  ) %}
  {% do dbt_pgtrickle._check_configuration(engine, existing, definition, settings, changes) %}
  {% if flags.EMPTY %}
    {% if is_stream_table %}
      {{ return(dbt_pgtrickle._keep()) }}
    {% endif %}
    {% set settings = dict(settings, initialize=false) %}
  {% endif %}
  {% if is_anew %}
    {{ return(dbt_pgtrickle._build_anew(engine, relation, existing, definition, settings, '--full-refresh')) }}
  {% endif %}
  {% set reason = dbt_pgtrickle._reason_to_rebuild(engine, relation, existing, definition) %}
  {% if reason %}
    {{ return(dbt_pgtrickle._build_anew(engine, relation, existing, definition, settings, reason)) }}
  {% endif %}
  {% set is_configured = dbt_pgtrickle._is_to_apply(relation, changes, settings) %}
  {% if is_configured and changes.requires_full_refresh and not dbt_pgtrickle._can_repartition(engine) %}
    {# Not done unasked: partitions that users made would go. #}
    {% do exceptions.raise_compiler_error(
      'The stream table ' ~ relation ~ ' would have to be built anew: '
      ~ dbt_pgtrickle._changes_in_words(changes) | join(', ') ~ '. Run with --full-refresh to do that.'
    ) %}
  {% endif %}
  {% if dbt_pgtrickle._can_rerun(engine, existing, definition, settings, changes) %}
    {% set outcome = dbt_pgtrickle._rerun(engine, relation, definition, settings) %}
    {% if outcome %}
      {{ return(outcome) }}
    {% endif %}
  {% endif %}
  {% if not is_configured %}
    {% set settings = dbt_pgtrickle._settings_of(existing.row, settings) %}
  {% endif %}
  {{ return(dbt_pgtrickle._build_in_place(
    engine, relation, existing.row, definition, settings, changes if is_configured else none
  )) }}
{% endmacro %}


{% macro _keep() %}
  {% call statement('main') %}select 1{% endcall %}
  {{ return({'message': 'kept: --empty changes no stream table', 'rows': 0, 'kept_grants': true, 'is_configured': false, 'failure': none}) }}
{% endmacro %}


{# `reason` is why, where a stream table is there already. #}
{% macro _build_anew(engine, relation, existing, definition, settings, reason) %}
  {% set obstacle = dbt_pgtrickle._offer_plan(engine, definition, settings) %}
  {% if existing is none %}
    {% call statement('main') %}
      {{ dbt_pgtrickle._create_sql(engine, 'create_stream_table', relation, definition, settings) }}
    {% endcall %}
    {% set done = 'created' %}
  {% else %}
    {% do log('Applying REPLACE to: ' ~ relation) %}
    {% do dbt_pgtrickle._replace(engine, relation, existing, definition, settings) %}
    {% if existing.kind != 'stream table' %}
      {% set done = 'created in place of a ' ~ existing.kind %}
    {% else %}
      {% set done = 'rebuilt: ' ~ reason %}
    {% endif %}
  {% endif %}
  {% do dbt_pgtrickle._apply_operational_settings(
    engine, relation, dbt_pgtrickle._describe(relation, auto_begin=true).row, settings, is_new=true
  ) %}
  {% if not settings.initialize %}
    {% set done = done ~ ', not populated (' ~ ('--empty' if flags.EMPTY else 'initialize: false') ~ ')' %}
  {% endif %}
  {% if obstacle %}
    {% set done = done ~ ', recomputed at each refresh: ' ~ obstacle %}
  {% endif %}
  {{ return({
    'message': done,
    'rows': -1,
    'kept_grants': existing is not none and existing.kind == 'stream table',
    'is_configured': true,
    'failure': none,
  }) }}
{% endmacro %}


{# `objects` are the changes of indexes and constraints, none where they are to stay. #}
{% macro _build_in_place(engine, relation, before, definition, settings, objects) %}
  {% if engine.name == 'native' and settings.refresh_mode == 'AUTO' %}
    {# The extension makes DIFFERENTIAL or FULL of it at creation, and refuses it afterwards. #}
    {% set settings = dict(settings, refresh_mode='FULL' if before.refresh_mode == 'FULL' else 'DIFFERENTIAL') %}
  {% endif %}
  {% set obstacle = dbt_pgtrickle._offer_plan(engine, definition, settings, existing=relation) %}
  {% if objects %}
    {# The new rows may not be what the old key allowed. #}
    {% do dbt_pgtrickle._apply_object_changes(relation, objects, only_drop=true) %}
  {% endif %}
  {% call statement('main') %}
    {{ dbt_pgtrickle._create_sql(engine, 'create_or_replace_stream_table', relation, definition, settings) }}
  {% endcall %}
  {% set after = dbt_pgtrickle._describe(relation, auto_begin=true).row %}
  {% set changes = dbt_pgtrickle._changes(before, after) %}
  {% set altered = dbt_pgtrickle._apply_operational_settings(engine, relation, after, settings, is_new=false) %}
  {% if altered %}
    {% do changes.extend(altered) %}
    {% set after = dbt_pgtrickle._describe(relation, auto_begin=true).row %}
  {% endif %}
  {% if objects %}
    {% do changes.extend(dbt_pgtrickle._changes_in_words(objects, objects_only=true)) %}
  {% endif %}
  {% if changes %}
    {% do log('Applying ALTER to: ' ~ relation) %}
  {% endif %}
  {% set message = ['altered ' ~ changes | join(', ') if changes else 'unchanged'] %}
  {% set last = none %}
  {% set suspension = dbt_pgtrickle._suspension(engine, relation, after, dbt_pgtrickle._name_of(model))
    if settings.status != 'PAUSED' else none %}
  {% if suspension %}
    {% set last = {'error': suspension} %}
  {% elif 'query' in changes %}
    {# The extension keeps no record of this one. #}
    {% set last = dbt_pgtrickle._last_refresh(relation) if engine.name == 'portable' else none %}
    {% if obstacle %}
      {% do message.append('recomputed at each refresh: ' ~ obstacle) %}
    {% endif %}
  {% elif settings.refresh_on_run and after.status != 'SUSPENDED'
      and (settings.refresh_mode != 'IMMEDIATE' or engine.name == 'portable') %}
    {# Of an IMMEDIATE table the portable engine looks whether dbt has put new sources in the place of
       those it knows, and else does nothing; the extension would compute it anew. #}
    {% set last = dbt_pgtrickle._refresh(engine, relation, dbt_pgtrickle._name_of(model)) %}
    {% do message.append(dbt_pgtrickle._refresh_report(last)) %}
  {% elif after.status == 'SUSPENDED' %}
    {% do message.append('suspended: not refreshed') %}
  {% endif %}
  {{ return({
    'message': message | join(', '),
    'rows': last.rows or 0 if last else 0,
    'kept_grants': true,
    'is_configured': objects is not none and changes | length > 0,
    'failure': last.error if last else none,
  }) }}
{% endmacro %}
