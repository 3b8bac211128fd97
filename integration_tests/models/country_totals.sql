{{ config(meta={'schedule': '10m', 'refresh_mode': 'AUTO'}) }}

select c.country, sum(t.total) as total, count(*) as customers
from {{ ref('customer_totals') }} t
join {{ ref('customers') }} c on c.customer_id = t.customer_id
group by c.country
