-- Subqueries and lateral joins in each other, and in every place where they may stand.
--
-- c (id, name, region) are customers, o (id, cust, amount, q, note, tags) their orders, r (k, v) has
-- no key, with NULLs and duplicates.

-- family left join lateral with a condition
select c.id, t.q, t.amount from c left join lateral (select q, amount from o where o.cust = c.id) t on t.q > 3;
select c.id, t.oid from c left join lateral (select o.id as oid, o.amount from o where o.cust = c.id order by amount desc, o.id limit 2) t on t.amount > 5;
select c.id, t.n from c left join lateral (select count(*) as n from o where o.cust = c.id) t on t.n > c.id;
select c.id, t.n, t.s from c left join lateral (select count(*) as n, sum(q) as s from o where o.cust = c.id having sum(q) > 9) t on t.n < 9 or t.s is null;
select c.id, t.x from c left join lateral (select o.q + c.id as x from o where o.cust = c.id) t on true;
select c.id, t.x, t.y from c left join lateral (select o.q + c.id as x, 1 as y from o where o.cust = c.id) t on t.x % 3 = 0;
select c.id, t.q, t.n from c left join lateral (select q, count(*) as n from o where o.cust >= c.id group by q) t on t.n > 4 and c.region is not null;
select o.id, t from o left join lateral unnest(o.tags) t on t <> 'b';
select o.id, t, n from o left join lateral unnest(o.tags) with ordinality t (t, n) on n > o.q;
select o.id, g from o left join lateral generate_series(1, o.q) g on g % 2 = 0 and o.cust is not null;
select c.id, t.k from c left join lateral (select distinct k from r where r.v < c.id) t on t.k = c.id or t.k is null;
select c.id, t.q from c left join lateral (select q from o where o.cust = c.id) t on exists (select from r where r.k = t.q);
select c.id, t.q from c left join lateral (select q from o where o.cust = c.id) t on t.q in (select v from r where r.k = c.id);
select o.id, t from o left join lateral unnest(o.tags) t on length(t) > (select count(*) from r where r.k = o.cust);
select c.id, a.q, b.v from c left join lateral (select q, cust from o where o.cust = c.id) a on a.q > 2 left join lateral (select v from r where r.k = a.cust) b on b.v > 1;

-- family grouping sets for each row
select c.id, t.q, t.note, t.n from c, lateral (select q, note, count(*) as n from o where o.cust = c.id group by rollup (q, note)) t;
select c.id, t.q, t.n, t.g from c left join lateral (select q, count(*) as n, grouping(q) as g from o where o.cust > c.id and o.q > 2 group by grouping sets ((q), ())) t on true;
select c.id, (select max(n) from (select count(*) as n from o where o.cust = c.id group by cube (q, note)) s) as m from c;
select c.id, (select count(*) from r where r.k = c.id group by ()) as n from c;
select c.id, t.n, t.s from c, lateral (select count(*) as n, sum(v) as s, count(v) filter (where v > 2) as f from r where r.k > c.id group by grouping sets ((), ())) t;
select id from c where exists (select q from o where o.cust = c.id group by grouping sets ((q), ()) having count(*) > 3);
select id from c where id in (select sum(q) from o where o.cust = c.id group by rollup (note));
select c.id, t.n from c, lateral (select count(*) as n from o where o.cust = c.id group by distinct rollup (q), cube (q) having count(*) < 4) t;
select c.id, t.q, t.rk from c, lateral (select q, rank() over (order by count(*)) as rk from o where o.cust = c.id group by rollup (q)) t;
select id, array(select sum(q) from o where o.cust = c.id group by rollup (q) order by 1) as a from c;
select c.region, t.x from c, lateral (select sum(v) as x from r where r.k < c.id group by grouping sets ((v), (), ())) t where t.x > 3;
select id, (select count(*) from r where r.k < c.id group by () having count(*) > 5) as n from c;

-- family aggregations that always have a row
select id, (select count(*) from r where r.k < o.q limit 1) as n from o where id < 60;
select id, (select count(*) from r where r.k = o.q order by 1 limit 1) as n from o;
select id, (select distinct count(*) from r where r.k = o.cust) as n from o;
select id, (select max(v) from r where r.k = o.cust order by max(v) limit 1) as n from o;
select id, (select sum(count(*)) over () from r where r.k = o.cust) as n from o;
select id, (select rank(3) within group (order by v) from r where r.k = o.cust) as n from o;
select id, (select cume_dist(2) within group (order by v) + count(*) from r where r.k < o.cust) as n from o where id < 60;
select c.id, t.a, t.b from c left join lateral (select dense_rank(3) within group (order by v) as a, percent_rank(1) within group (order by v desc) as b from r where r.k = c.id) t on t.a > 1;

-- family blocks further out
select id from c where exists (select from o where o.cust = c.id and not exists (select from r where r.k = c.id and r.v = o.q));
select id from c where not exists (select from o where o.cust = c.id and not exists (select from r where r.v = o.q and r.k <> c.id));
select id, (select count(*) from o where o.cust = c.id and o.q = (select max(v) from r where r.k = c.id)) as n from c;
select id, (select count(*) from o where o.cust = c.id and o.q > (select min(v) from r where r.k < c.id and r.v < o.q)) as n from c;
select id, (select count(*) from (select distinct q from o where o.cust = c.id) s) as n from c;
select id, (select sum(m) from (select max(q) as m from o where o.cust > c.id group by note) s) as n from c;
select id from c where id in (select s.k from (select k, v from r where r.v < c.id) s where s.v > 1);
select id, (select string_agg(s.name, ',' order by s.name) from (select d.name from c d where d.region = c.region order by d.name limit 2) s) as n from c;
select id, (select count(*) from r a join r b on a.k = b.k and b.v < c.id) as n from c;
select id, (select count(*) from r a left join o b on b.q = a.v and b.cust = c.id where a.k = c.id) as n from c;
select id, (select count(b.id) from r a left join (select id, q from o where o.cust = c.id) b on b.q = a.v) as n from c;
select id from c where exists (select from o where o.cust = c.id and exists (select from r where r.k = c.id and exists (select from o x where x.q = r.v and x.cust = c.id and x.id <> o.id)));
select id, (select (select (select count(*) from r where r.k = c.id and r.v = o.q) from o where o.cust = c.id order by o.id limit 1)) as n from c;
select c.id, t.n from c, lateral (select count(*) as n from o where o.cust = c.id and o.q in (select v from r where r.k = c.id)) t;
select c.id, t.v from c cross join (r left join lateral (select max(q) as m from o where o.cust = c.id and o.q < r.v) s on true) t (k, v, m) where t.m > 1;
select c.id, s.m from c, r left join lateral (select max(q) as m from o where o.cust = c.id and o.q < r.v) s on s.m > 1 where r.k = c.id;
select region, count(*) as n from c group by region having count(*) > (select count(*) from r where r.v = (select min(q) from o where o.note = c.region or o.q = 2));
select id from c where (select count(*) from o where o.cust = c.id) > all (select count(*) from r where r.k > c.id group by r.v);

-- family set operations for each row
select id from c where exists (select from o where o.cust = c.id and q = 5 union all select from r where r.k = c.id);
select c.id, t.x from c, lateral (select q as x from o where o.cust = c.id union select v from r where r.k = c.id) t;
select c.id, t.x from c left join lateral (select q as x from o where o.cust = c.id except select v from r where r.k = c.id) t on t.x > 1;
select c.id, t.x from c, lateral (select q as x from o where o.cust = c.id intersect all select v from r where r.k <= c.id) t;
select id, (select count(*) from (select q from o where o.cust = c.id union all select v from r where r.k = c.id) s) as n from c;
select c.id, t.x from c, lateral (select q as x from o where o.cust = c.id union select v from r where r.k = c.id order by 1 desc limit 2) t;
select id from c where id in (select v from r where r.k = c.id union all values (c.id % 3), (7));
select id, (with s as (select q from o where o.cust = c.id) select count(*) from s a, s b where a.q < b.q) as n from c;
select c.id, t.n from c, lateral (with s (a) as (select v from r where r.k = c.id), u as (select a + 1 as b from s) select count(*) as n, sum(b) from u) t;
select id, (with s as (select k, count(*) as n from r group by k) select n from s where s.k = c.id) as n from c;

-- family of the row alone
select id, (select string_agg(upper(t), '-' order by t) from unnest(o.tags) t) as s from o;
select id from o where exists (select from unnest(o.tags) t where t = 'a1');
select id, 'z' in (select t from unnest(o.tags) t) as z, array(select t || q from unnest(tags) t order by t) as a from o;
select id, (select sum(g) from generate_series(1, o.q) g) as s from o;
select o.id, x.a from o, lateral (values (o.q), (o.cust), (null)) x (a);
select o.id, x.a, x.n from o left join lateral (values (o.q, 'q'), (o.cust, 'c')) x (a, n) on x.a > 3;
select o.id, x.a from o, lateral (select o.q as a union select o.cust) x;
select o.id, x.t, x.n from o cross join lateral (select t, count(*) as n from unnest(o.tags) t group by t) x;
select id, (select max(x) from (values (o.q), (o.cust)) v (x)) as m from o;
select name, (select count(*) from regexp_split_to_table(c.name, '') s) as n, (select 1) as one from c;
select cust, count(*) as n from o group by cust having max(q) > (select avg(x) from (values (1), (3)) v (x));
select id from c where (select t.x from (select length(c.name) as x) t) = 2;

-- family subqueries in on
select o.id, c.id as cid from o join c on c.id = o.cust and c.id in (select k from r);
select o.id, c.id as cid from o join c on c.id = (select max(k) from r where r.v = o.q);
select o.id, c.id as cid from o left join c on c.id = o.cust and exists (select from r where r.k = c.id);
select o.id, c.id as cid from o left join c on c.id = o.cust and o.q not in (select v from r where r.k = o.cust);
select o.id, c.id as cid from o left join c on c.id = o.cust and exists (select from r where r.k = c.id and r.v = o.q);
select o.id, c.id as cid from o right join c on c.id = o.cust and (select count(*) from r where r.k = c.id or r.v = o.q) > 5;
select o.id, c.id as cid from o left join c on c.id = o.cust and o.amount > (select avg(amount) from o);
select o.id, c.id as cid from o full join c on c.id = o.cust + (select count(*) from r where v = 99);
select o.id, r.v, c.name from o join r on r.k = o.cust left join c on c.id = r.k and c.id > any (select q from o x where x.cust = c.id);
select a.id, b.id as bid from c a left join c b on b.region = a.region and b.id > a.id and not exists (select from c x where x.region = a.region and x.id > a.id and x.id < b.id);

-- family comparisons with subqueries
select id from o where q >= any (select v from r where r.k = o.cust);
select id, q <> any (select v from r where r.k = o.cust) as a, q < all (select v from r where r.k = o.cust) as b from o;
select id from o where (q, cust) in (select v, k from r);
select id from o where (q, cust) not in (select v, k from r where v > 1);
select id, (q, cust) not in (select v, k from r) as n from o;
select id, (q, cust) = any (select v, k from r where k > 2) as n, (cust, q) <= all (select k, v from r where v = o.q) as m from o;
select id from c where name like any (select 'n' || v || '%' from r where r.k > c.id);
select id from c where id in (select max(q) from o where o.cust = c.id having count(*) > 2);
select id from c where id not in (select max(q) from o where o.cust = c.id having count(*) > 2);
select id, id > all (select min(q) from o where o.cust = c.id having min(q) < 3) as g from c;
select id from c where (id % 7, 5) in (select max(q), count(*) from o where o.cust = c.id);
select id from c where 5 in (select count(*) from o having count(*) > 3);
select id, (select tags from o where o.id = c.id) as t from c;
select id, (select tags from o where o.id = c.id) && array['a1'] as t from c;
select id, case when q in (select v from r where r.k = o.cust) then 'in' when exists (select from r where r.v = o.q) then 'some' else coalesce((select name from c where c.id = o.cust), 'none') end as w from o;
select id from o where not (q in (select v from r) and cust not in (select k from r where k is not null)) or exists (select from c where c.id = o.cust and c.region = 'r1');

-- family aggregates over ordered subqueries
select array_agg(id) as a, count(*) as n from (select id from o where q = 2 order by amount desc, id) s;
select array_agg(x) as a from (select id from o where q = 3 order by amount, id) s (x);
select string_agg(name, ',') as a from (select distinct name from c order by name desc) s;
select json_agg(s)::text as a from (select id, q from o where cust = 4 order by id desc) s;
select id, (select string_agg(note, '') from (select note from o where o.cust = c.id order by o.id desc) s) as a from c;
select array_agg(x) as a from (select q as x from o where q < 3 union select v from r order by 1 desc) s;
select array_agg(id) as a from (select id from o order by amount desc, id limit 4) s;

-- family rows compared with a subquery's only row
select id, (q, cust) = (select max(v), max(k) from r where r.k = o.cust) as p from o;
select id from o where (q, cust) > (select min(v), max(k) from r);
select id, (q, cust) <> (select 1, x.id from o x where x.id = o.cust) as p, (q, note) < (select x.q, x.note from o x where x.id = o.cust) as s from o;
select id, (q, cust) = (select max(v), max(k) from r where r.k = o.cust having count(*) > 3) as p from o;
select id from o where not (q, tags) = (select x.q, x.tags from o x where x.id = o.cust);
select id from o where (q, cust) >= (select v, k from r where k > o.q order by k, v limit 1);
select cust, (count(*), max(q)) = (select count(*), max(v) from r where r.k = o.cust) as p from o group by cust;

-- family groups by a subquery
select (select count(*) from r where r.v = o.q) as c, count(*) as n from o group by 1;
select (select max(k) from r where r.v < o.q) as c, sum(id) as n from o group by (select max(k) from r where r.v < o.q);
select exists (select from r where r.v = o.q) as c, q, sum(id) as n from o group by rollup (1, 2);
select q in (select k from r) as c, grouping(q in (select k from r)) as g, sum(id) as n from o group by rollup (q in (select k from r));
select 1 + (select count(*) from r where r.k = o.cust) as c, count(*) as n from o group by (select count(*) from r where r.k = o.cust);
select (select count(*) from r where r.k = o.q) as a, (select max(name) from c where c.id = (select count(*) from r where r.v = o.q)) as m, count(*) as n from o group by 1, 2 having (select count(*) from r where r.k = o.q) > 1;
select distinct (select region from c where c.id = o.cust) as g, (select region from c where c.id = o.cust) || '!' as h from o;
select c.id, t.e, t.n from c, lateral (select (select count(*) from r where r.k = o.q and r.v < c.id) as e, count(*) as n from o where o.cust = c.id group by 1) t;

-- family aggregates of the block around
select cust, (select sum(o.cust)) as s from o group by cust;
select (select count(o.id)) as n from o;
select (select max(o.id) from c where id = 1) as m from o;
select cust from o group by cust having exists (select from c where c.id = count(o.cust));
select cust, (select grouping(o.cust)) as g from o group by rollup (cust);
select cust, (select count(*) from r where r.k > grouping(o.cust) and r.k = o.cust) as g from o group by rollup (cust);
select cust, (select count(*) from r where r.k < max(o.q)) as s, max(id) from o group by cust;
select cust, (select count(*) from r where r.k < max(o.q) and exists (select from c where c.id = count(o.note) + r.v)) as s from o group by cust;
select cust from o group by cust having sum(amount) > all (select sum(v) from r where r.k = o.cust group by v);
select cust, sum(q) in (select v from r) as p, count(*) = any (select k from r where k = o.cust) as s from o group by cust;
select q + 1 as z, q + 1 in (select k from r) as p, (q + 1, count(*)) not in (select k, v from r) as s from o group by q + 1;
select c.id, c.region, (select count(*) from r where r.k = c.id and r.v <> length(c.region) and r.k <> sum(o.q)) as n from c left join o on o.cust = c.id group by c.id;
select q, sum(q + (select count(*) from r where r.k = o.cust)) filter (where cust in (select v from r)) as s, (select sum(r.v + max(o.cust)) from r) as z from o group by q;
select id, (select (select max(r.v) + c.id) from r where r.k = c.id) as s from c;
select id, (select u.m from (select (select max(r.k) from r where r.v = max(o.q)) as m from o where o.cust = c.id) u) as z from c;
select id, (select array_agg(v order by v) from r where r.k = c.id having count(*) > (select count(o.id) from o where o.cust = count(r.v))) as a from c;
select id, array(select c.name from r where r.k = c.id) as a, (select c.id from o where o.id = c.id) as i from c;
select id, exists (select from o where o.cust = c.id and exists (select from per_key where per_key.k = c.id and per_key.n <> o.q)) as e from c;

-- family values with subqueries
select c.id, t.x from c, lateral (values (c.id), ((select max(v) from r where r.k = c.id)), ((select count(*) from r where r.v > c.id))) t (x);
select c.id, t.x, t.y from c left join lateral (values (c.id, 'p'), ((select max(v) from r where r.k = c.id), null)) t (x, y) on t.x > 3;
select * from (values ((select max(q) from o), 'm'), ((select count(*) from r), null)) t (a, b);
select t.x, count(*) as n from (values ((select max(v) from r)), (2), ((select min(k) from r))) t (x) left join o on o.q = t.x group by 1;
select id, (select sum(t.x) from (values (c.id), ((select max(v) from r where r.k = c.id))) t (x)) as s from c;
select c.id, t.x from c, lateral (values (c.id), ((select max(v) from r where r.k = c.id)) order by 1 limit 1) t (x);
select id from o where q in (values (1), ((select max(k) from r where r.v = o.cust)));
select id, q in (values (cust), ((select max(k) from r where r.v = o.cust)), (null)) as z from o;

-- family rows of lateral items
select c.id, (select json_agg(row_to_json(s) order by s.k, s.v, s.n) from (select k, v, count(*) as n from r where r.v = c.id group by k, v) s)::text as j from c;
select c.id, row_to_json(s)::text as j from c left join lateral (select k, v, count(*) as n from r where r.v = c.id group by k, v) s on s.n > 1;
select c.id, row_to_json(s)::text as j from c, lateral (select k, c.name from r where r.v = c.id) s;
select c.id, row_to_json(s)::text as j, s is null as n from c left join lateral (select count(*) as n, max(k) as m from r where r.v = c.id) s on s.m > 1;
select c.id, count(s) as n from c left join lateral (select count(*) as n, max(k) as m from r where r.v = c.id having max(k) > 1) s on true group by c.id;
select o.id, row_to_json(u)::text as u from o left join unnest(o.tags) with ordinality u (e, n) on e <> 'b';
select o.id, row_to_json(u)::text as u, u.value from o, json_each_text(json_build_object('q', o.q, 'n', o.note)) u;

-- family sets returned for each row
select id, g from o, lateral (select generate_series(1, o.q) as g) s;
select id, g, h from c left join lateral (select generate_series(1, c.id % 4) as g, c.id + generate_series(2, 3) as h) s on g <> 2;
select id, k, g from c, lateral (select k, generate_series(1, v) as g from r where r.k = c.id) s;
select id, k, g from c left join lateral (select k, generate_series(c.id % 3, v) as g from r where r.k = c.id) s on s.g > 1;
select id from o where q in (select generate_series(1, v) from r where r.k = o.cust);
select id from o where q not in (select generate_series(1, v) from r where r.k = o.cust);
select id, (select count(*) from (select generate_series(1, v) as g from r where r.k = c.id) s where g > 1) as e from c;
select c.id, g from c left join lateral (select generate_series(1, count(*)::int) as g from r where r.k = c.id having count(*) > 1) s on true;
select c.id, s.e from c, lateral (select distinct unnest(tags) as e from o where o.cust = c.id) s;
select o.id, s.e from o, lateral (select unnest(tags) as e order by 1 limit 2) s;
select id, g, count(*) as n from o, lateral (select generate_series(1, o.q) as g) s group by rollup (id, g);

-- family groups that are one left row
select c.id, count(o.id) as n, sum(o.amount) as s from c left join o on o.cust = c.id group by c.id;
select c.id, count(*) as n, max(o.q) as m from c left join o on o.cust = c.id and o.q > 2 group by c.id;
select c.id, count(*) filter (where o.id is null) as none, min(o.amount) as lo from c left join o on o.cust = c.id group by c.id;
select c.id, count(r.v) as n, count(*) as a, count(distinct r.v) as d from c left join r on r.k = c.id group by c.id;
select c.id, count(*) as a, sum(coalesce(r.v, c.id)) as s from c left join r on c.id = r.k and r.v > 1 group by c.id having count(*) > 1;
select c.id, string_agg(o.note, ',' order by o.id) as notes from c left join o on o.cust = c.id group by c.id;
select c.id, t.n from c join (select b.id, count(o.id) as n, sum(o.q) as s from c b left join o on o.cust = b.id group by b.id) t on t.id = c.id where t.s is null or t.n > 2;
select c.region, sum(t.n) as n from c left join (select b.id, count(*) as n from c b left join r on r.k = b.id group by b.id) t on t.id = c.id group by c.region;
select x.cust, count(r.v) as n, sum(r.v) as s from (select distinct cust from o) x left join r on r.k = x.cust group by x.cust;
select x.q, x.cust, count(r.k) as n, sum(r.k) as s from (select distinct q, cust from o where q is not null and cust is not null) x left join r on r.v = x.q and x.cust = r.k group by x.cust, x.q;
select o.cust, count(r.v) as n, sum(r.v) as s from o left join r on r.k = o.cust group by o.cust;
select c.id, count(o.id) as n, sum(o.q) as s from o right join c on c.id = o.cust group by c.id;
select c.id, count(x.id) as n, sum(x.q) as s from c left join (o x join r on r.v = x.q) on x.cust = c.id group by c.id;
select c.id, c.id % 2 as odd, count(o.id) as n, sum(o.q) as s from c left join o on o.cust = c.id group by c.id, c.id % 2;
