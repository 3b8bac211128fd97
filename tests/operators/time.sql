-- Queries that read the moment, one for each place where it may stand.

-- query later than a moment
select id, ts from e where ts > now() - interval '500 ms';

-- query until now
select id from e where ts <= now();

-- query a window that moves
select id from e where ts between now() - interval '300 ms' and now() + interval '300 ms';

-- query local time
select id from e where t < localtimestamp and t >= localtimestamp - interval '1 s';

-- query days
select id, d from e where d = current_date or d > current_date + 1;

-- query not
select id from e where not (ts < now());

-- query or
select id from e where ts < now() or k = 2 or ts is null;

-- query rounded
select id from e where ts < current_timestamp(1) and ts < date_trunc('day', now()) + interval
'2 days';

-- query lifetimes
select id from e where ts + ttl > now();

-- query differences
select id from e where case when isfinite(ts) then now() - ts between '0 s' and '400 ms' end;

-- query below an aggregate
select k, count(*) n, max(ts) m from e where ts < now() group by k;

-- query above an aggregate
select k, max(ts) m from e group by k having min(ts) < now() - interval '1 s';

-- query above a join
select e.id, c.name from e join c on c.k = e.k where e.ts > now();

-- query both sides of a join
select a.id, b.id bid from e a join e b on b.k = a.k and b.id < a.id where a.ts > now() and b.ts
<= now() and b.ts > now() - interval '1 s';

-- query in a join's condition
select a.id, c.name from e a join c on c.k = a.k and a.ts + c.k * interval '100 ms' < now();

-- query in a left join's condition
select c.k, e.id from c left join e on e.k = c.k and e.ts between now() and now() + interval
'600 ms';

-- query on the left of a left join
select e.id, c.name from e left join c on c.k = e.k and e.ts < now();

-- query in a full join's condition
select e.id, c.k from e full join c on c.k = e.k and (e.ts < now()) = (c.k > 1);

-- query exists
select k from c where exists (select from e where e.k = c.k and e.ts > now() and e.ts < now() +
interval '100 ms');

-- query not exists
select k from c where not exists (select from e where e.k = c.k and e.ts < now() - interval '1
s' and e.id > 8);

-- query in a condition with subqueries
select id from e where ts < now() or k in (select k from c where k > 2);

-- query a bucket
select case when ts < now() - interval '500 ms' then 'old' when ts < now() then 'new' else 'to
come' end b, count(*) n from e group by 1;

-- query counted by time
select k, count(*) filter (where ts < now()) n from e group by k;

-- query in the output
select id, ts < now() as past, now() as at from e where id < 9;

-- query age
select id, age(ts) a, age(t) b from e where id < 9;

-- query nothing but time
select k, now() as at, current_date as d, count(*) n from e group by k;

-- query days up to today
select s.d::date, count(e.id) n from generate_series(current_date - 2, current_date, interval '1
day') s(d) left join e on e.d = s.d::date group by 1;

-- query a series of a row
select e.id, s.at from e cross join lateral generate_series(e.ts, now(), interval '400 ms')
s(at) where e.id < 30;

-- query values
select e.id, v.label from e join (values (now(), 'now'), (now() + interval '1 s', 'soon')) v(at,
label) on e.ts < v.at;

-- query a window function
select id, row_number() over (partition by ts < now() order by id) rn from e;

-- query first rows
select id, ts from e where ts < now() order by ts desc nulls last, id limit 3;

-- query a set operation
select k from e where ts < now() except select k from e where ts < now() - interval '1 s';

-- query used twice
with r as (select k, id from e where ts < now()) select a.k, count(*) n from r a join r b on a.k
= b.k group by a.k;

-- query a scalar subquery
select k, (select max(id) from e where e.k = c.k and e.ts < now()) m from c;
