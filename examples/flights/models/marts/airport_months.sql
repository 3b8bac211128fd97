-- Movements of each airport by month: departures and arrivals brought together by UNION ALL.
with movements as (
    select origin as faa, flight_month, 1 as departures, 0 as arrivals, distance
    from {{ ref('stg_flights') }}
    where not is_cancelled
    union all
    select dest as faa, flight_month, 0 as departures, 1 as arrivals, distance
    from {{ ref('stg_flights') }}
    where not is_cancelled and not is_diverted
)
select
    m.faa,
    m.flight_month,
    a.name as airport,
    sum(m.departures) as departures,
    sum(m.arrivals) as arrivals,
    count(*) as movements,
    max(m.distance) as longest_distance
from movements as m
join {{ source('nyc', 'airports') }} as a on a.faa = m.faa
group by m.faa, m.flight_month, a.name
