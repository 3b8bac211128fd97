{#
  Makes the stream table be there, as the model says, and current. Returns {message, rows,
  kept_grants, failure}: what was done and why; rows changed; whether the table kept its grants;
  the message of a refresh that failed, for the caller to raise after its commit.
#}
{% macro _build(engine, relation, existing, definition, settings) %}
  {% set is_stream_table = existing is not none and existing.kind == 'stream table' %}
  {% if flags.EMPTY %}
    {% if is_stream_table %}
      {{ return(dbt_pgtrickle._keep()) }}
    {% endif %}
    {% set settings = dict(settings, initialize=false) %}
  {% endif %}
  {# The portable engine finds a source again by its name; the extension does not. #}
  {% set is_lost = is_stream_table and engine.name == 'native' and existing.lost_source %}
  {% if not is_stream_table or should_full_refresh() or is_lost %}
    {{ return(dbt_pgtrickle._build_anew(engine, relation, existing, definition, settings)) }}
  {% endif %}
  {{ return(dbt_pgtrickle._build_in_place(engine, relation, existing.row, definition, settings)) }}
{% endmacro %}


{% macro _keep() %}
  {% call statement('main') %}select 1{% endcall %}
  {{ return({'message': 'kept: --empty changes no stream table', 'rows': 0, 'kept_grants': true, 'failure': none}) }}
{% endmacro %}


{% macro _build_anew(engine, relation, existing, definition, settings) %}
  {% set obstacle = dbt_pgtrickle._offer_plan(engine, definition, settings) %}
  {% if existing is none %}
    {% call statement('main') %}
      {{ dbt_pgtrickle._create_sql(engine, 'create_stream_table', relation, definition, settings) }}
    {% endcall %}
    {% set done = 'created' %}
  {% else %}
    {% do dbt_pgtrickle._replace(engine, relation, existing, definition, settings) %}
    {% if existing.kind != 'stream table' %}
      {% set done = 'created in place of a ' ~ existing.kind %}
    {% else %}
      {% set done = 'rebuilt: ' ~ ('--full-refresh' if should_full_refresh() else 'something it reads was replaced') %}
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
  {{ return({'message': done, 'rows': -1, 'kept_grants': false, 'failure': none}) }}
{% endmacro %}


{% macro _build_in_place(engine, relation, before, definition, settings) %}
  {% set settings = dbt_pgtrickle._settings_to_apply(settings, before) %}
  {% if engine.name == 'native' and settings.refresh_mode == 'AUTO' %}
    {# The extension makes DIFFERENTIAL or FULL of it at creation, and refuses it afterwards. #}
    {% set settings = dict(settings, refresh_mode='FULL' if before.refresh_mode == 'FULL' else 'DIFFERENTIAL') %}
  {% endif %}
  {% do dbt_pgtrickle._offer_plan(engine, definition, settings) %}
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
  {% set message = ['altered ' ~ changes | join(', ') if changes else 'unchanged'] %}
  {% set last = none %}
  {% if 'query' in changes %}
    {% set last = dbt_pgtrickle._last_refresh(relation) %}
  {% elif settings.refresh_on_run and settings.refresh_mode != 'IMMEDIATE' and after.status != 'SUSPENDED' %}
    {% set last = dbt_pgtrickle._refresh(engine, relation) %}
    {% do message.append(dbt_pgtrickle._refresh_report(last)) %}
  {% elif after.status == 'SUSPENDED' %}
    {% do message.append('suspended: not refreshed') %}
  {% endif %}
  {{ return({
    'message': message | join(', '),
    'rows': last.rows if last else 0,
    'kept_grants': true,
    'failure': last.error if last else none,
  }) }}
{% endmacro %}
