-- Groups and windows joined with one another: each is looked up as it was, and as it is in two sets.

-- case full_join_of_groups
create table a (id integer primary key, k integer, d integer, x integer);
create table b (id integer primary key, k integer, d integer, x integer);
insert into a select i, nullif(i % 5, 4), i % 3, i from generate_series(1, 30) i;
insert into b select i, nullif(i % 7, 5), i % 2, i from generate_series(1, 30) i;
-- query
select l.k, l.d, l.total, r.k as other_k, r.n from (select k, d, sum(x) as total from a group by k, d) l full join (select k, d, count(*) as n from b group by k, d) r on l.k = r.k and l.d = r.d;
-- change
delete from a where k = 1;
delete from b where k = 2;
-- change
insert into a values (101, 1, 0, 1), (102, 6, 1, 2), (103, null, 1, 2);
insert into b values (101, 2, 0, 1), (102, 6, 1, 2), (103, null, 0, 2);
-- change
update a set d = d + 1 where k in (2, 3);
update b set k = nullif(k, 3) where d = 1;
-- change
delete from a;
-- change
insert into a select i, i % 4, i % 3, i from generate_series(1, 12) i;
delete from b;

-- case left_joins_of_groups
create table a (id integer primary key, k integer, d integer, x integer);
create table b (id integer primary key, k integer, d integer, x integer);
create table c (id integer primary key, k integer, d integer, x integer);
insert into a select i, nullif(i % 5, 4), i % 3, i from generate_series(1, 30) i;
insert into b select i, nullif(i % 7, 5), i % 3, i from generate_series(1, 30) i;
insert into c select i, i % 3, i % 2, i from generate_series(1, 10) i;
-- query
select l.k, l.d, l.total, m.total as second, r.total as third from (select k, d, sum(x) as total from a group by k, d) l left join (select k, d, sum(x) as total from b group by k, d) m on m.k = l.k and m.d = l.d left join (select k, d, sum(x) as total from c group by k, d) r on r.k = l.k and r.d = m.d;
-- change
delete from b where k = 1;
insert into c values (100, 3, 0, 1), (101, 2, 2, 1);
-- change
delete from c where k = 1;
update a set x = x + 1 where d = 1;
insert into b values (100, 3, 1, 1), (101, 1, 1, 7);
-- change
update a set k = k + 1;
update b set d = d + 1 where k = 2;
delete from c where id > 50;
-- change
delete from b;
-- change
insert into b select i, i % 3, i % 2, i from generate_series(1, 10) i;

-- case looked_up_by_part_of_the_keys
create table r (id integer primary key, k integer, x integer);
create table s (id integer primary key, k integer, note text, d integer);
insert into r select i, nullif(i % 8, 7), i from generate_series(1, 24) i;
insert into s select i, nullif(i % 5, 4), 'note ' || i % 3, i % 4 from generate_series(1, 20) i;
-- query
with often as (select note, d, k, count(*) as n from s group by note, d, k having count(*) > 1), all_of as (select note, d, k, count(*) as n from s group by note, d, k) select id, x, k in (select k from often where d = 1) as marked from r where k in (select k from all_of) and not exists (select from often o where o.k = r.k and o.d = 0) and x > 0;
-- change
insert into s select i + 100, i % 8, 'note ' || i % 3, i % 2 from generate_series(1, 16) i;
update r set k = k + 1 where id % 3 = 0;
-- change
delete from s where k in (0, 3);
insert into r values (100, 3, 1), (101, 0, 2), (102, null, 3);
-- change
update s set k = nullif(k + 1, 6), d = 1 - d where d < 2;
update r set x = -x where id < 5;
-- change
delete from s;
-- change
insert into s select i, i % 5, 'note', i % 2 from generate_series(1, 20) i;

-- case semi_joins_of_groups_joined
create table r (id integer primary key, k integer, x integer);
create table s (id integer primary key, k integer, x integer);
insert into r select i, nullif(i % 6, 5), i from generate_series(1, 24) i;
insert into s select i, i % 4, i from generate_series(1, 12) i;
-- query
with l as (select k, sum(x) as total from r group by k), best as (select k, total from l where total > (select avg(total) from l)), few as (select k, count(*) as n from s group by k) select b.k, b.total, s.n from best b left join few s on s.k = b.k where b.k not in (select k from few where n > 4);
-- change
update r set x = x + 10 where k = 1;
insert into s values (100, 1, 1), (101, 3, 3), (102, 3, 3);
-- change
delete from r where k = 4;
delete from s where k = 1;
-- change
update r set k = k + 1, x = x * 2;
update s set k = 3;

-- case window_over_full_join
create table a (id integer primary key, k integer, d integer, x integer);
create table b (id integer primary key, k integer, d integer, x integer);
insert into a select i, nullif(i % 5, 4), i % 6, i from generate_series(1, 30) i;
insert into b select i, nullif(i % 7, 5), i % 4, i from generate_series(1, 30) i;
-- query
select k, d, one, two, max(one) over w as most, sum(two) over w as up_to from (select case when l.k is not null then l.k else r.k end as k, coalesce(l.d, r.d) as d, l.total as one, r.total as two from (select k, d, sum(sum(x)) over (partition by k order by d) as total from a group by k, d) l full join (select k, d, sum(sum(x)) over (partition by k order by d) as total from b group by k, d) r on l.k = r.k and l.d = r.d) j window w as (partition by k order by d, one, two);
-- change
update a set x = x + 1 where k = 1;
-- change
delete from a where k = 2;
insert into b values (100, 2, 1, 1), (101, null, 2, 5), (102, 9, 0, 1);
-- change
insert into a values (100, null, 1, 1), (101, 9, 0, 2), (102, 9, 1, 2);
delete from b where k is null or k = 3;
-- change
update a set k = nullif(k, 1);
update b set k = k + 1, d = d + 1 where d = 0;
-- change
delete from b;

-- case window_over_join_using
create table a (k integer, d integer, x integer);
create table b (k bigint, d integer, x integer);
insert into a select nullif(i % 5, 4), i % 3, i from generate_series(1, 12) i;
insert into b select nullif(i % 7, 5), i % 2, i from generate_series(1, 12) i;
-- query
select k, a.x, b.x as other, count(*) over (partition by k) as n from a full join b using (k);
-- change
update a set x = x + 1 where k = 1;
insert into b values (4, 1, 1), (null, 1, 1), (11, 0, 0);
-- change
delete from b where k = 2;
insert into a values (null, 1, 1), (6, 2, 2), (11, 1, 1);
-- change
update b set k = k + 1;
update a set k = nullif(k, 3);
