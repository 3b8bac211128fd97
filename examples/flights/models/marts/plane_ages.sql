-- Do older planes run later? A subquery in FROM, grouped by an expression.
select
    age_group,
    count(*) as flights,
    count(distinct tailnum) as planes,
    min(age) as youngest,
    max(age) as oldest,
    round(avg(arr_delay), 2) as average_delay
from (
    select
        f.tailnum,
        f.arr_delay,
        2013 - p.built_in as age,
        case
            when 2013 - p.built_in < 5 then '0 to 4 years'
            when 2013 - p.built_in < 10 then '5 to 9 years'
            when 2013 - p.built_in < 20 then '10 to 19 years'
            else '20 years or more'
        end as age_group
    from {{ ref('stg_flights') }} as f
    join {{ ref('stg_planes') }} as p on p.tailnum = f.tailnum
    where p.built_in is not null and not f.is_cancelled
) as flown
group by age_group
