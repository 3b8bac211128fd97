-- Delays by airline. The extremes, the filtered counts and the percentage are kept up to date too.
select
    f.carrier,
    a.name as airline,
    count(*) as flights,
    count(*) filter (where f.is_cancelled) as cancelled,
    count(f.arr_delay) as arrived,
    sum(f.arr_delay) as total_delay,
    round(avg(f.arr_delay), 2) as average_delay,
    min(f.arr_delay) as earliest,
    max(f.arr_delay) as latest,
    round(100.0 * count(*) filter (where f.arr_delay > 15) / nullif(count(f.arr_delay), 0), 2) as late_percent
from {{ ref('stg_flights') }} as f
join {{ source('nyc', 'airlines') }} as a on a.carrier = f.carrier
group by f.carrier, a.name
