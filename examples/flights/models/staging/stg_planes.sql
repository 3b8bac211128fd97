select
    tailnum,
    year as built_in,
    case
        when manufacturer in ('AIRBUS', 'AIRBUS INDUSTRIE') then 'Airbus'
        when manufacturer like 'MCDONNELL DOUGLAS%' or manufacturer = 'DOUGLAS' then 'McDonnell Douglas'
        else initcap(manufacturer)
    end as manufacturer,
    model,
    seats
from {{ source('nyc', 'planes') }}
