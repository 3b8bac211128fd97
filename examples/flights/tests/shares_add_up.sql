-- The airlines' shares add up to a hundred, but for rounding.
select sum(percent_of_flights) as percent
from {{ ref('carrier_shares') }}
having abs(sum(percent_of_flights) - 100) > 0.1
