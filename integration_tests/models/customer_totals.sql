{{ config(materialized=var('as', 'stream_table'), schedule=var('every', '5m')) }}

select
    c.customer_id,
    c.name,
    count(*) as orders,
    sum(o.amount) as total,
    max(o.ordered_on) as last_ordered_on
from {{ ref('orders') }} o
join {{ ref('customers') }} c on c.customer_id = o.customer_id
group by c.customer_id, c.name
