{{ config(
    alias=env_var('LARGE_ORDERS', 'Large Orders'),
    schedule=none,
    refresh_mode='AUTO',
    indexes=[{'columns': ['order_id'], 'unique': true}],
    post_hook="comment on table {{ this }} is 'Orders worth a look'"
) }}

select order_id, customer_id, amount
from {{ ref('orders') }}
where amount >= {{ var('large', 20) }}
