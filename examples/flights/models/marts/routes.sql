-- The routes flown at least a hundred times so far, and how many airlines compete on each.
select
    f.origin,
    f.dest,
    d.name as destination,
    count(*) as flights,
    count(distinct f.carrier) as airlines,
    min(f.air_time) as fastest_minutes,
    max(f.air_time) as slowest_minutes,
    round(avg(f.arr_delay), 1) as average_delay
from {{ ref('stg_flights') }} as f
join {{ source('nyc', 'airports') }} as d on d.faa = f.dest
group by f.origin, f.dest, d.name
having count(*) >= 100
