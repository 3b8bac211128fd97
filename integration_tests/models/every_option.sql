{#- What dbt 2 knows of no other materialization stands under meta, as it wants it. -#}
{{ config(
    schedule=var('cron', '*/5 * * * *'),
    refresh_mode=var('mode', 'AUTO'),
    on_configuration_change=var('on_change', 'apply'),
    grants={'select': ['pg_read_all_data']},
    pre_hook={'sql': 'select 1 from ' ~ target.schema ~ '.' ~ var('table_for_hook', 'customers'), 'transaction': false},
    meta={
        'initialize': true,
        'refresh_on_run': true,
        'status': var('status', none),
        'cdc_mode': 'trigger',
        'append_only': false,
        'diamond_consistency': 'atomic',
        'diamond_schedule_policy': 'slowest',
        'pooler_compatibility_mode': true,
        'max_differential_joins': 8,
        'max_delta_fraction': 0.5,
        'tier': 'hot',
        'fuse': 'on',
        'fuse_ceiling': 1000,
        'fuse_sensitivity': 3,
    }
) }}

select country, count(*) as customers
from {{ ref('customers') }}
group by country
