-- Every flight that arrived an hour late or more: four tables joined, one row per flight.
select
    f.flight_id,
    f.flight_date,
    a.name as airline,
    f.flight_number,
    f.origin,
    d.name as destination,
    p.manufacturer,
    p.model,
    f.dep_delay,
    f.arr_delay
from {{ ref('stg_flights') }} as f
join {{ source('nyc', 'airlines') }} as a on a.carrier = f.carrier
join {{ source('nyc', 'airports') }} as d on d.faa = f.dest
join {{ ref('stg_planes') }} as p on p.tailnum = f.tailnum
where f.arr_delay >= 60
