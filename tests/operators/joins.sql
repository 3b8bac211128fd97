-- Joins that become others, are put into another order, or match by several conditions.
--
-- c (id, name, region) are customers, o (id, cust, amount, q, note, tags) their orders, r (k, v) has
-- no key, with NULLs and duplicates.

-- family left joins of which a condition rejects the missing row
select c.id, t.s from c left join (select cust, sum(q) as s from o group by cust) t on t.cust = c.id where t.s > 9;
select c.id, t.s from c left join (select cust, sum(q) as s from o group by cust) t on t.cust = c.id where t.s > 9 or 20 < t.s * 2;
select c.id, t.s from c left join (select cust, sum(q) as s from o group by cust) t on t.cust = c.id where t.s + c.id is not null;
select id, q from o where q > (select avg(q) from o p where p.cust = o.cust);
select id, q from o where q * 2 <= (select 0.5 * sum(q) from o p where p.cust = o.cust) and note is not null;
select sum(amount) / 7.0 as s from o, c where c.id = o.cust and c.region = 'r1' and q < (select 0.8 * avg(q) from o p where p.cust = c.id);
select o.id, c.name from o left join c on c.id = o.cust where c.region = 'r1';
select o.id, c.name from o left join c on c.id = o.cust and c.region = 'r2' where c.id <> 3;
select o.id, r.v from o left join r on r.k = o.cust where r.v >= 1;

-- family left joins whose missing row passes
select c.id, t.s from c left join (select cust, sum(q) as s from o group by cust) t on t.cust = c.id where t.s is null or t.s > 9;
select c.id, t.s from c left join (select cust, sum(q) as s from o group by cust) t on t.cust = c.id where coalesce(t.s, 0) < 9;
select c.id, t.s from c left join (select cust, sum(q) as s from o group by cust) t on t.cust = c.id where t.s > 9 or c.id < 5;
select c.id from c where 2 > (select count(*) from o where o.cust = c.id);
select o.id, c.name from o left join c on c.id = o.cust where (c.region = 'r1') is not true;
select o.id, c.name from o left join c on c.id = o.cust where c.region is distinct from 'r1';
select o.id from o left join c on c.id = o.cust where '{}'::text[] || c.region <> '{r1}';

-- family semi-joins with what is found by its key
select id, name from c where id in (select cust from o group by cust having count(*) > 7);
select * from o where cust in (select id from c where region = 'r1');
select c.name, o.amount from c join o on o.cust = c.id where o.cust in (select k from r group by k having sum(v) > 4);
select region, count(*) as n from c where id in (select cust from o group by cust having sum(amount) > 30) group by region;
select id from o where cust in (select id from c where region is not null) and q in (select k from r group by k having count(*) > 2);
select id from o where exists (select from c where c.id = o.cust and c.name > o.note);
select id from c where id in (select cust from o group by cust having count(*) > 7) union all select id from o where cust in (select id from c);
select id from o where cust not in (select id from c where region = 'r1');
select id from o where q in (select k from r);
with g as (select cust, count(*) as n from o group by cust) select id from o where cust in (select cust from g where n > 7) and q < (select max(n) from g);
select id, cust in (select id from c where region = 'r2') as is_r2 from o;

-- family groups joined with groups
select a.cust, a.s, b.n from (select cust, sum(q) as s from o group by cust) a join (select k, count(*) as n from r group by k) b on b.k = a.cust;
select c.name, a.s, b.n from c join (select cust, sum(q) as s from o group by cust) a on a.cust = c.id join (select k, count(*) as n from r group by k) b on b.k = c.id and b.n < a.s;
select o.id, a.s, b.n from o join (select cust, sum(q) as s from o group by cust) a on a.cust = o.cust join (select k, count(*) as n from r where v < 4 group by k) b on b.k = o.q;
select a.region, b.s from (select region, min(id) as first from c group by region) a join (select cust, max(amount) as s from o group by cust) b on b.cust = a.first;
select o.id from o where exists (select from c join (select cust, sum(q) as s from o group by cust) a on a.cust = c.id where c.id = o.cust and a.s > 20);
select o.id, t.s from o left join (select c.region, a.s, c.id from c join (select cust, sum(q) as s from o group by cust) a on a.cust = c.id) t on t.id = o.cust;
select o.id from o where not exists (select from (select cust, sum(q) as s from o group by cust) a join r on r.k = a.cust where a.cust = o.cust and r.v < a.s);

-- family conditions beside an equality
select id from o where exists (select from o p where p.cust = o.cust and p.q <> o.q);
select id from o where not exists (select from o p where p.cust = o.cust and p.amount > o.amount);
select o.id, p.id as other from o left join o p on p.cust = o.cust and p.amount < o.amount and p.q = 3;
select c.name, count(*) as n from c join o on o.cust = c.id where exists (select from o p where p.cust = o.cust and p.q <> o.q) and not exists (select from o p where p.cust = o.cust and p.q > o.q and p.note is not null) group by c.name;
select id, exists (select from r where r.k = o.cust and r.v < o.q) as some from o;
select o.id, r.v from o full join r on r.k = o.q and r.v = o.cust;

-- family aggregates added up before a join
select c.region, count(*) as n, sum(o.amount) as s, avg(o.q) as a from o join c on c.id = o.cust group by c.region;
select c.id, count(o.id) as n, sum(o.amount) as s from c left join o on o.cust = c.id and o.q > 2 group by c.id;
select c.id, c.name, count(*) as n, count(*) filter (where o.id is null) as none, sum(o.q) filter (where o.note = 'x4') as x from c left join o on o.cust = c.id group by c.id, c.name;
select c.region, count(*) as n, count(o.id) as matched, sum(o.q) as s, bool_or(o.q = 3) as three from c left join o on o.cust = c.id and c.name <> 'n3' group by c.region;
select c.region, o.q, count(*) as n, stddev_pop(o.amount) as d from o join c on c.id = o.cust and c.region is not null group by c.region, o.q;
select c.id, o.q, sum(o.amount) as s from c left join o on o.cust = c.id group by c.id, o.q;
select c.region, sum(r.v) as s, count(r.k) as n, bit_xor(r.v) as x, bit_or(r.v) as b from r join o on o.q = r.k join c on c.id = o.cust group by c.region;
select c.region, r.k, count(*) as n, sum(o.amount) as s from o join c on c.id = o.cust join r on r.k = o.q group by c.region, r.k;
select sum(o.amount * (1 - o.amount)) as s, sum(case when o.note = 'x1' then o.amount else 0 end) as x, count(*) filter (where o.q in (1, 2)) as few from o join c on c.id = o.cust where c.region = 'r1';
select c.id, sum(case when o.id is null then 1 else 0 end) as none, bool_and(o.note is null) as quiet from c left join o on o.cust = c.id group by c.id;
select r.k, count(o.id) as n, sum(o.q) as s, array_agg(o.note order by o.id) as notes from r left join o on o.cust = r.k group by r.k;
select c.name || c.region as label, o.note, count(*) as n, sum(o.q) as s from c join o on o.cust = c.id + 0 group by 1, o.note;
select c.region, count(*) as n, sum(100 / o.q) as s from o join c on c.id = o.cust and o.q > 0 group by c.region;
select t.region, t.n from (select c.region, count(*) as n, sum(o.q) as s from o join c on c.id = o.cust group by c.region) t where t.s > 30;
select c.id, x.n from c join (select d.id, count(p.id) as n from c d left join o p on p.cust = d.id group by d.id) x on x.id = c.id where x.n > 3;
select a.id, count(b.id) as n, sum(b.q) as s from o a left join o b on b.cust = a.q group by a.id;
select c.id, count(o.id) as n from c left join (o join r on r.k = o.q) on o.cust = c.id group by c.id;
select x.id, x.n from (select c.id, count(o.id) as n, sum(o.q) as s from c left join (o join r on r.k = o.q) on o.cust = c.id group by c.id) x where x.n > 2;
select c.region, count(o.id) as n, sum(r.v) as s from c left join (o join r on r.k = o.q) on o.cust = c.id group by c.region;
select c.id, count(r.k) as n, sum(r.v) as s from c left join (o join r on r.k = o.q and r.v > 0) on o.cust = c.id group by c.id;
select c.id, c.region, count(o.id) as n from c left join (o join (r join o p on p.q = r.v) on r.k = o.cust) on o.cust = c.id group by c.id, c.region;
select c.region, count(*) as n, sum(o.amount) as s, count(c.id) as matched from o left join c on c.id = o.cust group by c.region;
select c.region, count(*) as n, sum(o.amount) as s from o left join c on c.id = o.cust and c.region <> 'r1' group by c.region;
select c.region, r.v, sum(o.amount) as s, count(*) as n from o left join c on c.id = o.cust left join r on r.k = o.q group by c.region, r.v;
select c.region, o.note, count(o.q) as n from o left join c on c.id = o.cust and o.q > 2 group by 1, 2;
select p.q, c.name, sum(r.v) as s from r left join o p on p.cust = r.k left join c on c.id = p.cust group by p.q, c.name;
select o.cust, count(*) as n, sum(o.q) as s from o left join c on c.id = o.cust group by o.cust;
select (timestamptz '2024-01-01' + o.q * interval '40 days')::date as d, c.region, sum(o.q::bigint) as s from o left join c on c.id = o.cust group by 1, 2;
select c.region, sum(o.note::integer) as s from (select cust, q::text as note from o) o left join c on c.id = o.cust group by 1;
select c.region, date_trunc('month', date '2024-01-01' + o.q * 20) as m, coalesce(o.note, 'none') as note, count(*) as n from o join c on c.id = o.cust group by 1, 2, 3;
select c.id, coalesce(o.note, 'none') as note, sum(o.amount) as s, sum(coalesce(o.q, 5)) as q from c left join o on o.cust = c.id group by 1, 2;
select c.region, coalesce(o.note, 'none') as note, case when r.v > 2 then 'much' else 'little' end as much, count(*) as n from o join r on r.k = o.q join c on c.id = o.cust group by 1, 2, 3;
with os as (select cust, date_trunc('month', timestamp '2024-01-01' + q * interval '20 days')::date as month, q * amount as total, amount / 100.0 as units, q * 2 + 1 as more, q / 2 as half from o) select c.region, month, half, sum(total) as t, sum(units) as u, sum(more) as m from os left join c on c.id = os.cust group by 1, 2, 3;
select extract(year from x.at) as y, c.region, count(*) as n, sum(x.q) as s from (select timestamp '2024-01-01' + q * interval '100 days' as at, cust, q from o) x join c on c.id = x.cust group by 1, 2;

-- family left joins of groups, one after the other
select c.id, c.region, a.n, a.s, b.m from c left join (select cust, count(*) as n, sum(amount) as s from o group by cust) a on a.cust = c.id left join (select k, max(v) as m, count(*) as n from r group by k) b on b.k = c.id;
select o.id, o.note, a.n, b.m, c.name from o left join (select cust, count(*) as n, sum(amount) as s from o group by cust) a on a.cust = o.cust left join (select k, max(v) as m, count(*) as n from r group by k) b on b.k = o.q left join c on c.id = o.cust;
select o.id, a.n, b.m, d.n as of_region from o left join (select cust, count(*) as n, sum(amount) as s from o group by cust) a on a.cust = o.cust left join c on c.id = o.cust left join (select k, max(v) as m, count(*) as n from r group by k) b on b.k = c.id left join (select region, count(*) as n from c group by region) d on d.region = c.region;
select c.id, a.s / a.n as mean, coalesce(b.n, 0) as n from c left join (select cust, count(*) as n, sum(amount) as s from o group by cust having count(*) > 5) a on a.cust = c.id and c.region <> 'r2' left join (select k, max(v) as m, count(*) as n from r group by k) b on b.k = c.id and b.m > 1;
select a.cust, a.n, b.m, c.name from (select cust, count(*) as n, sum(amount) as s from o group by cust) a left join (select k, max(v) as m, count(*) as n from r group by k) b on b.k = a.cust left join c on c.id = a.cust;
select c.id, count(a.n) as n, max(b.m) as m from c left join (select cust, count(*) as n, sum(amount) as s from o group by cust) a on a.cust = c.id left join (select k, max(v) as m, count(*) as n from r group by k) b on b.k = c.id group by c.id;
select c.region, sum(a.s) as s, sum(coalesce(b.n, 0)) as n, count(*) filter (where b.k is null) as without from c left join (select cust, count(*) as n, sum(amount) as s from o group by cust) a on a.cust = c.id left join (select k, max(v) as m, count(*) as n from r group by k) b on b.k = c.id group by c.region;
select c.id from c left join (select cust, count(*) as n, sum(amount) as s from o group by cust) a on a.cust = c.id left join (select k, max(v) as m, count(*) as n from r group by k) b on b.k = c.id where a.cust is null or b.k is null;
select o.id, p.n, p.note from o left join (select cust, note, count(*) as n from o group by cust, note) p on p.cust = o.cust and p.note = o.note left join (select k, max(v) as m, count(*) as n from r group by k) b on b.k = p.n;
select c.id, x.label, b.m from c left join (select cust, 'n' || count(*) as label, case when sum(q) > 20 then 20 end as big from o group by cust) x on x.cust = c.id left join (select k, max(v) as m, count(*) as n from r group by k) b on b.k = x.big;
select c.id, a.n, b.n as m from c join (select cust, count(*) as n, sum(amount) as s from o group by cust) a on a.cust = c.id left join (select k, max(v) as m, count(*) as n from r group by k) b on b.k = c.id join (select q, count(*) as n from o group by q) z on z.q = c.id;
select r.k, r.v, a.n, c.name from r left join (select cust, count(*) as n, sum(amount) as s from o group by cust) a on a.cust = r.k left join c on c.id = r.v left join (select k, max(v) as m, count(*) as n from r group by k) b on b.k = r.v where b.n is distinct from 3;
with totals as (select cust, count(*) as n, sum(amount) as s from o group by cust), ranked as (select *, rank() over (order by s desc, cust) as place from totals) select c.id, t.n, k.place from c left join totals t on t.cust = c.id left join ranked k on k.cust = c.id;

-- family first rows found one by one
select o.id, (select p.amount from o p where p.id <= o.q order by p.id desc limit 1) as last from o;
select o.id, (select p.note from o p where p.cust = o.cust and p.amount < o.amount order by p.amount desc, p.id limit 1) as below from o;
select c.id, t.id as other, t.amount from c left join lateral (select o.id, o.amount from o where o.cust > c.id order by o.cust, o.id limit 2) t on true;
select c.id, t.v from c, lateral (select r.v from r where r.k >= c.id order by r.k, r.v limit 3) t;
select c.id, t.k from c, lateral (select r.k from r where r.k >= c.id order by r.k fetch first 1 rows with ties) t;
select c.id, t.k, t.v from c, lateral (select r.k, r.v from r where r.k >= c.id order by r.k, r.v limit 2 offset 1) t;
select x.q, (select c.name from c where c.id > x.q and c.region is distinct from x.note order by c.id limit 1) as name from (select distinct q, note from o) x;
select c.region, c.id, (select a.n from (select cust, count(*) as n from o group by cust) a where a.cust < c.id order by a.cust desc limit 1) as n from c;
select r.k, r.v, (select o.id from o where o.q <= r.k and o.note is not null order by o.q desc, o.id limit 1) as id from r;
select o.id, (select coalesce(p.note, 'none') || p.id from o p where p.q + p.cust >= o.cust order by p.q + p.cust, p.id limit 1) as label from o where o.q > 1;
select c.region, count(t.id) as n, sum(t.amount) as s from c left join lateral (select o.id, o.amount from o where o.cust <= c.id order by o.cust desc, o.id limit 1) t on true group by c.region;

-- family joins in any order
select c.name, o.id, r.v from o, r, c where r.k = o.q and c.id = o.cust and c.region = 'r1';
select c.name, sum(o.amount) as s from r, o, c where o.q = r.k and c.id = o.cust and c.region <> 'r2' and r.v = 1 group by c.name;
select o.id, p.id as other, c.name from o join o p on p.cust = o.cust and p.q = o.q + 1 join c on c.id = p.cust where c.region = 'r1' and o.note is not null;

-- family sums of numerics that have as many decimals each
select note, sum(amount * (1 - amount)) as s, avg(amount * 2.50) as a, sum(distinct amount + 1.00) as d from o group by note;
select cust, sum(case when q > 2 then amount end) as s, sum(amount - coalesce(amount, 0.0)) as z, stddev(amount * amount) as d from o group by cust;
select q, sum(extract(year from date '2024-01-01' + q * 200)) as y, sum(amount * q) as open, sum(coalesce(amount, 0)) as filled from o group by q;
select sum(-amount) as n, sum(amount / 3) as t, sum(amount * amount * amount) as c from o;
select c.region, sum(o.amount * (1 - o.amount)) as s, count(*) as n from o join c on c.id = o.cust group by c.region;
