{{ config(materialized='view') }}

select name, total
from {{ ref('customer_totals') }}
order by total desc, name
limit 1
