{{ config(
    refresh_mode='FULL',
    meta={'stream_table_name': 'orders_with_names', 'stream_table_schema': target.schema ~ '_marts'}
) }}

select o.order_id, c.name, o.amount
from {{ ref('orders') }} o
join {{ ref('customers') }} c on c.customer_id = o.customer_id
