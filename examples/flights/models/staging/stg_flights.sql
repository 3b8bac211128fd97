select
    flight_id,
    flight_date,
    extract(month from flight_date)::int as flight_month,
    time_hour,
    hour as scheduled_hour,
    carrier,
    flight as flight_number,
    tailnum,
    origin,
    dest,
    distance,
    air_time,
    dep_delay,
    arr_delay,
    dep_time is null as is_cancelled,
    dep_time is not null and arr_delay is null as is_diverted
from {{ source('nyc', 'flights') }}
