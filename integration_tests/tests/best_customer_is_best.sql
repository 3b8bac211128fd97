select *
from {{ ref('best_customer') }}
where total <> (
    select max(sum)
    from (select sum(amount) from {{ ref('orders') }} group by customer_id) totals
)
