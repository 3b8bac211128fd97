-- Who built the planes that flew, and how far they went.
select
    p.manufacturer,
    count(*) as flights,
    count(distinct f.tailnum) as planes,
    sum(f.distance) as miles,
    sum(p.seats) as seats_offered,
    round(avg(f.arr_delay), 2) as average_delay
from {{ ref('stg_flights') }} as f
join {{ ref('stg_planes') }} as p on p.tailnum = f.tailnum
where not f.is_cancelled
group by p.manufacturer
