-- Each airport's day: scheduled, cancelled and diverted flights.
select
    flight_date,
    origin,
    count(*) as scheduled,
    count(*) filter (where is_cancelled) as cancelled,
    count(*) filter (where is_diverted) as diverted,
    count(arr_delay) as arrived,
    sum(arr_delay) as total_delay,
    max(dep_delay) as longest_wait,
    bool_or(is_cancelled) as any_cancelled,
    bool_and(dep_delay <= 120) as none_left_two_hours_late
from {{ ref('stg_flights') }}
group by flight_date, origin
