{{ config(partition_by='ordered_on', meta={'fuse': 'on', 'fuse_ceiling': 100000, 'tier': 'warm'}) }}

select ordered_on, count(*) as orders, sum(amount) as total
from {{ ref('orders') }}
group by ordered_on
