-- The year so far, month by month: a stream table on a stream table.
select
    extract(month from flight_date)::int as flight_month,
    sum(scheduled)::bigint as scheduled,
    sum(cancelled)::bigint as cancelled,
    round(100.0 * sum(cancelled) / sum(scheduled), 2) as cancelled_percent,
    round(sum(total_delay)::numeric / nullif(sum(arrived), 0), 2) as average_delay,
    max(longest_wait) as longest_wait,
    count(*) filter (where any_cancelled) as airport_days_with_cancellations
from {{ ref('daily_departures') }}
group by extract(month from flight_date)::int
