-- Airlines that compete on a route: a stream table joined with itself and with a table.
select
    one.origin,
    one.dest,
    one.carrier,
    two.carrier as rival,
    a.name as airline,
    b.name as rival_airline,
    one.flights,
    two.flights as rival_flights,
    round(one.total_delay::numeric / one.arrived - two.total_delay::numeric / two.arrived, 2) as delay_difference
from {{ ref('route_carriers') }} as one
join {{ ref('route_carriers') }} as two
    on two.origin = one.origin and two.dest = one.dest and two.carrier > one.carrier
join {{ source('nyc', 'airlines') }} as a on a.carrier = one.carrier
join {{ source('nyc', 'airlines') }} as b on b.carrier = two.carrier
where one.arrived > 0 and two.arrived > 0
