select
    origin,
    time_hour,
    case
        when precip >= 0.10 then 'heavy rain or snow'
        when precip > 0 then 'rain or snow'
        when visib < 3 then 'fog'
        when wind_speed >= 20 then 'strong wind'
        when temp < 32 then 'frost'
        else 'fair'
    end as conditions,
    temp,
    wind_speed,
    visib
from {{ source('nyc', 'weather') }}
