-- q0, pass through
select auction, bidder, price, date_time, extra from bid

-- q1, another currency
select auction, bidder, 0.908 * price as price, date_time, extra from bid

-- q2, some auctions
select auction, price from bid where mod(auction, 7) = 0

-- q3, who sells what in some states
select p.name, p.city, p.state, a.id
from auction a
join person p on a.seller = p.id
where a.category = 10 and p.state in ('OR', 'ID', 'CA')

-- q4, average closing price of a category
select category, avg(final) as average
from (
  select max(b.price) as final, a.category
  from auction a
  join bid b on a.id = b.auction and b.date_time between a.date_time and a.expires
  group by a.id, a.category
) closed
group by category

-- q5, auctions with most bids in ten seconds, every two seconds
with counted as (
  select b.auction, w.starts, count(*) as bids
  from bid b
  cross join lateral generate_series(
    date_bin('2 s', b.date_time, '2024-01-01') - interval '8 s',
    date_bin('2 s', b.date_time, '2024-01-01'),
    '2 s'
  ) as w (starts)
  group by b.auction, w.starts
)
select c.auction, c.starts, c.bids
from counted c
join (select starts, max(bids) as most from counted group by starts) m
  on m.starts = c.starts and c.bids >= m.most

-- q6, average price of the last ten auctions of each seller
select seller, auction, avg(price) over (
    partition by seller order by date_time, auction rows between 9 preceding and current row
  ) as average
from (
  select a.seller, a.id as auction, b.price, b.date_time,
    row_number() over (partition by a.id order by b.price desc, b.date_time) as place
  from auction a
  join bid b on a.id = b.auction and b.date_time between a.date_time and a.expires
) won
where place = 1

-- q7, highest bids of every ten seconds
select b.auction, b.price, b.bidder, b.date_time, b.extra
from bid b
join (
  select max(price) as highest, date_bin('10 s', date_time, '2024-01-01') as starts
  from bid
  group by 2
) m on b.price = m.highest and b.date_time >= m.starts and b.date_time < m.starts + interval '10 s'

-- q8, people who sell in the ten seconds in which they came
select p.id, p.name, p.starts
from (
  select id, name, date_bin('10 s', date_time, '2024-01-01') as starts from person group by 1, 2, 3
) p
join (
  select seller, date_bin('10 s', date_time, '2024-01-01') as starts from auction group by 1, 2
) a on p.id = a.seller and p.starts = a.starts

-- q9, the bid that wins each auction
select id, item_name, initial_bid, reserve, date_time, expires, seller, category, bidder, price, bid_at
from (
  select a.*, b.bidder, b.price, b.date_time as bid_at,
    row_number() over (partition by a.id order by b.price desc, b.date_time, b.bidder) as place
  from auction a
  join bid b on a.id = b.auction and b.date_time between a.date_time and a.expires
) ranked
where place = 1

-- q10, day and minute of each bid
select auction, bidder, price, date_time, extra, to_char(date_time, 'YYYY-MM-DD') as day,
  to_char(date_time, 'HH24:MI') as minute
from bid

-- q11, sessions of bidders: bids not ten seconds apart
select bidder, count(*) as bids, min(date_time) as starts, max(date_time) as ends
from (
  select bidder, date_time,
    count(*) filter (where late) over (partition by bidder order by date_time) as session
  from (
    select bidder, date_time,
      date_time - lag(date_time) over (partition by bidder order by date_time) > interval '10 s' as late
    from bid
  ) gaps
) sessions
group by bidder, session

-- q13, joined with a table that hardly changes
select b.auction, b.bidder, b.price, b.date_time, s.value
from bid b
join side_input s on s.key = mod(b.auction, 10)

-- q14, computed columns
select auction, bidder, 0.908 * price as price,
  case
    when extract(hour from date_time) between 8 and 18 then 'day'
    when extract(hour from date_time) <= 6 or extract(hour from date_time) >= 20 then 'night'
    else 'between'
  end as part_of_day,
  extra, length(extra) - length(replace(extra, 'c', '')) as letters_c
from bid
where 0.908 * price > 100 and 0.908 * price < 700

-- q15, statistics of each day
select to_char(date_time, 'YYYY-MM-DD') as day, count(*) as bids,
  count(*) filter (where price < 300) as low,
  count(*) filter (where price >= 300 and price < 600) as middle,
  count(*) filter (where price >= 600) as high,
  count(distinct bidder) as bidders,
  count(distinct bidder) filter (where price < 300) as low_bidders,
  count(distinct bidder) filter (where price >= 600) as high_bidders,
  count(distinct auction) as auctions,
  count(distinct auction) filter (where price >= 300 and price < 600) as middle_auctions
from bid
group by 1

-- q16, statistics of each channel and day
select channel, to_char(date_time, 'YYYY-MM-DD') as day, max(to_char(date_time, 'HH24:MI')) as minute,
  count(*) as bids, count(*) filter (where price < 300) as low,
  count(distinct bidder) as bidders, count(distinct auction) filter (where price < 300) as auctions
from bid
group by 1, 2

-- q17, statistics of each auction and day
select auction, to_char(date_time, 'YYYY-MM-DD') as day, count(*) as bids,
  count(*) filter (where price < 300) as low, count(*) filter (where price >= 300) as high,
  min(price) as least, max(price) as most, avg(price) as average, sum(price) as total
from bid
group by 1, 2

-- q18, the last bid of each bidder on each auction
select auction, bidder, price, channel, url, date_time
from (
  select *, row_number() over (
      partition by bidder, auction order by date_time desc, price, channel, url
    ) as place
  from bid
) ranked
where place = 1

-- q19, the ten highest bids of each auction
select auction, bidder, price, channel, date_time, place
from (
  select *, row_number() over (
      partition by auction order by price desc, date_time, bidder, channel
    ) as place
  from bid
) ranked
where place <= 10

-- q20, bids on the auctions of a category
select b.auction, b.bidder, b.price, b.channel, b.url, b.date_time as bid_at, a.item_name, a.description,
  a.initial_bid, a.reserve, a.date_time, a.expires, a.seller, a.category
from bid b
join auction a on b.auction = a.id
where a.category = 10

-- q21, the id of the channel
select auction, bidder, price, channel,
  case
    when lower(channel) = 'apple' then '0'
    when lower(channel) = 'google' then '1'
    when lower(channel) = 'facebook' then '2'
    when lower(channel) = 'baidu' then '3'
    else (regexp_match(url, '(?:&|^)channel_id=([^&]*)'))[1]
  end as channel_id
from bid
where regexp_match(url, '(?:&|^)channel_id=([^&]*)') is not null
  or lower(channel) in ('apple', 'google', 'facebook', 'baidu')

-- q22, the parts of a path
select auction, bidder, price, channel, split_part(url, '/', 4) as dir1, split_part(url, '/', 5) as dir2,
  split_part(url, '/', 6) as dir3
from bid
