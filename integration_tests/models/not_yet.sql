{{ config(meta={'initialize': false, 'refresh_on_run': false}) }}

select name, sum(amount) as total
from {{ ref('named_orders') }}
group by name
