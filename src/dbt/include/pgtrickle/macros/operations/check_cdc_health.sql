{#
  dbt run-operation pgtrickle_check_cdc_health: prints how the changes of each source are captured;
  fails where that does not work. What is no failure, but may be missed or is not as wished, it prints.
#}
{% macro pgtrickle_check_cdc_health() %}
  {% set engine = dbt_pgtrickle._require_engine() %}
  {% set checks = [] %}
  {% if 'check_cdc_health' in engine.functions %}
    {% do checks.append('select source_table, cdc_mode as mode, alert from pgtrickle.check_cdc_health()') %}
  {% endif %}
  {% if engine.name == 'portable' and 'trigger_inventory' in engine.functions %}
    {% do checks.append("
      select source_table, 'TRIGGER' as mode, string_agg(
        case when not present then trigger_name || ' is missing' when not enabled then trigger_name || ' is disabled' end,
        ', ') as alert
      from pgtrickle.trigger_inventory()
      group by source_table
    ") %}
  {% endif %}
  {% if engine.name == 'native' %}
    {# It calls a source that is gone healthy, by the number the source had. #}
    {% do checks.append("
      select d.source_relid::text, 'none',
        'was dropped or replaced: dbt run builds ' || string_agg(s.pgt_schema || '.' || s.pgt_name, ', ') || ' anew'
      from pgtrickle.pgt_dependencies d
      join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
      where not exists (select from pg_catalog.pg_class c where c.oid = d.source_relid)
      group by d.source_relid
    ") %}
  {% endif %}
  {% if not checks %}
    {% do exceptions.raise_compiler_error('This engine (' ~ dbt_pgtrickle._told(engine) ~ ') cannot say how its capture fares. Upgrade it.') %}
  {% endif %}
  {% set sources = dbt_pgtrickle._query_json("
    select coalesce(json_agg(s order by source_table), '[]')::text
    from (
      select source_table, max(mode) as mode, string_agg(distinct alert, ', ') as alert
      from (" ~ checks | join(' union all ') ~ ") c
      group by source_table
    ) s
  ") %}
  {% for source in sources %}
    {% do log(source.source_table ~ ': ' ~ (source.mode | lower) ~ ', ' ~ (source.alert or 'healthy'), info=true) %}
  {% endfor %}
  {% set unhealthy = [] %}
  {% for source in sources if source.alert and not source.alert.startswith('replica_writes_missed') %}
    {% do unhealthy.append(source.source_table) %}
  {% endfor %}
  {% if unhealthy %}
    {% do exceptions.raise_compiler_error('Changes are not captured properly of: ' ~ unhealthy | join(', ')) %}
  {% endif %}
{% endmacro %}
