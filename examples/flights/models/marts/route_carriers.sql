-- Each airline on each route. Other stream tables are built on this one.
select
    origin,
    dest,
    carrier,
    count(*) as flights,
    count(arr_delay) as arrived,
    sum(arr_delay) as total_delay
from {{ ref('stg_flights') }}
group by origin, dest, carrier
