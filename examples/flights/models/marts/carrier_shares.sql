-- Each airline's share of all flights: a stream table crossed with its own total.
select
    c.carrier,
    c.airline,
    c.flights,
    round(100.0 * c.flights / t.flights, 3) as percent_of_flights,
    round(100.0 * c.cancelled / nullif(t.cancelled, 0), 3) as percent_of_cancellations
from {{ ref('carrier_delays') }} as c
cross join (
    select sum(flights) as flights, sum(cancelled) as cancelled
    from {{ ref('carrier_delays') }}
) as t
