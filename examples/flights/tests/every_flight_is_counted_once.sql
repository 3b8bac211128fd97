-- No flight is lost or counted twice on the way to the stream tables that count them all.
with counted as (
    select 'carrier_delays' as stream_table, sum(flights) as flights from {{ ref('carrier_delays') }}
    union all
    select 'delays_by_hour', sum(flights) from {{ ref('delays_by_hour') }}
    union all
    select 'daily_departures', sum(scheduled) from {{ ref('daily_departures') }}
    union all
    select 'monthly_summary', sum(scheduled) from {{ ref('monthly_summary') }}
    union all
    select 'route_carriers', sum(flights) from {{ ref('route_carriers') }}
)
select stream_table, flights
from counted
where flights is distinct from (select count(*) from {{ source('nyc', 'flights') }})
