-- What the weather at the departure airport does to delays and cancellations.
with departures as (
    select f.origin, w.conditions, f.dep_delay, f.is_cancelled
    from {{ ref('stg_flights') }} as f
    join {{ ref('stg_weather') }} as w
        on w.origin = f.origin and w.time_hour = f.time_hour
)
select
    origin,
    conditions,
    count(*) as flights,
    round(avg(dep_delay), 2) as average_delay,
    count(*) filter (where is_cancelled) as cancelled,
    round(100.0 * count(*) filter (where is_cancelled) / count(*), 2) as cancelled_percent
from departures
group by origin, conditions
