-- Delays by airport and hour of the day: they grow as the day goes on.
select
    origin,
    scheduled_hour,
    count(*) as flights,
    avg(dep_delay) as average_departure_delay,
    avg(arr_delay) filter (where not is_cancelled) as average_arrival_delay,
    count(*) filter (where dep_delay > 60) as left_an_hour_late
from {{ ref('stg_flights') }}
group by origin, scheduled_hour
