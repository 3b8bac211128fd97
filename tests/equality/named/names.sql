-- What a query means where the same words could mean something else.
-- One statement a line. Every change is followed by a refresh and a comparison.

-- case merged_columns_of_two_types
create table a (id integer primary key, k integer, k2 integer);
create table b (id integer primary key, k numeric, k2 numeric, v text);
insert into a values (1, 7, 2), (2, 5, 3);
insert into b values (1, 7, 2, 'x');
-- query
select a.id, k / k2 as q, k as kk, k::text as kt, b.v from a left join b using (k, k2);
-- change
insert into a values (3, 9, 2);
insert into b values (2, 5, 3, 'y');
-- change
delete from b;

-- case merged_column_of_a_right_join
create table a (id integer primary key, d timestamp);
create table b (id integer primary key, d date, v text);
insert into a values (1, '2024-01-01');
insert into b values (1, '2024-01-01', 'x'), (2, '2024-01-02', 'y');
-- query
select b.id, d::text as dt, to_jsonb(d) as j, v from a right join b using (d);
-- change
insert into b values (3, '2024-01-03', 'z');

-- case aggregate_in_order_by_alone
create table o (id integer primary key, x integer);
insert into o values (1, 1), (2, 1), (3, 2);
-- query
select 1 as one from o order by count(*) limit 2;
-- change
insert into o values (4, 2);

-- case aggregate_in_a_named_window_alone
create table o (id integer primary key, x integer);
insert into o values (1, 1), (2, 1), (3, 2);
-- query
select row_number() over w as n from o window w as (order by count(*));
-- change
insert into o values (4, 2);

-- case aggregate_in_distinct_on_alone
create table o (id integer primary key, x integer);
insert into o values (1, 1), (2, 1), (3, 2);
-- query
select distinct on (count(*)) 1 as one from o;
-- change
insert into o values (4, 2);

-- case ordered_by_a_set
create table o (id integer primary key, x integer);
insert into o values (1, 1), (2, 1), (3, 2);
-- query
select id from o order by generate_series(1, x);
-- change
insert into o values (4, 2);

-- case first_rows_by_an_order_around
create table o (id integer primary key, k integer, x integer);
create table r (id integer primary key, k integer, y integer);
insert into o values (1, 1, 5), (2, 1, 1), (3, 2, 2);
insert into r values (1, 1, 5), (2, 1, 1), (3, 2, 7);
-- query
select o.id, (select r.y from r where r.k = o.k order by abs(r.y - o.x), r.id limit 1) as y from o;
-- change
insert into o values (4, 1, 3);
insert into r values (4, 1, 3);

-- case lateral_limit_null
create table o (id integer primary key, k integer, x integer);
create table r (id integer primary key, k integer, y integer);
insert into o values (1, 1, 5), (2, 1, 1), (3, 2, 2);
insert into r values (1, 1, 5), (2, 1, 1), (3, 2, 7);
-- query
select o.id, q.y from o cross join lateral (select r.y from r where r.k = o.k order by r.id limit null) q;
-- change
insert into r values (4, 1, 3);

-- case lateral_offset_null
create table o (id integer primary key, k integer, x integer);
create table r (id integer primary key, k integer, y integer);
insert into o values (1, 1, 5), (2, 1, 1), (3, 2, 2);
insert into r values (1, 1, 5), (2, 1, 1), (3, 2, 7);
-- query
select o.id, q.y from o cross join lateral (select r.y from r where r.k = o.k order by r.id limit 1 offset null::bigint) q;
-- change
insert into r values (4, 1, 3);

-- case lateral_limit_rounded
create table o (id integer primary key, k integer, x integer);
create table r (id integer primary key, k integer, y integer);
insert into o values (1, 1, 5), (2, 1, 1), (3, 2, 2);
insert into r values (1, 1, 5), (2, 1, 1), (3, 2, 7);
-- query
select o.id, q.y from o cross join lateral (select r.y from r where r.k = o.k order by r.id limit 1.5) q;
-- change
insert into r values (4, 1, 3), (5, 1, 2);

-- case rank_among_no_rows
create table l (id integer primary key, k integer);
create table r (id integer primary key, k integer, x integer);
insert into l values (1, 1), (2, 2);
insert into r values (1, 1, 5);
-- query
select l.id, (select rank(5) within group (order by r.x) from r where r.k = l.k) as a, (select cume_dist(5) within group (order by r.x) from r where r.k = l.k) as b, (select percent_rank(5) within group (order by r.x) from r where r.k = l.k) as c from l;
-- change
insert into r values (2, 2, 2);
-- change
delete from r where id = 1;

-- case count_of_users
create function acc(integer, integer) returns integer language sql immutable as 'select coalesce($1, 0) + $2';
create schema s;
create aggregate s.count(integer) (sfunc = acc, stype = integer);
create table r (id integer primary key, k integer, x integer);
create table l (id integer primary key, k integer);
insert into l values (1, 1), (2, 2), (3, null);
insert into r values (1, 1, null);
-- query
select id from l where k not in (select s.count(x) from r group by k);
-- change
insert into r values (2, 2, 2);
-- change
delete from r where id = 1;
-- change
delete from r;

-- case limit_of_the_only_row
create table l (id integer primary key, k integer);
create table r (id integer primary key, k integer, x integer);
insert into l values (1, 1), (2, 2);
insert into r values (1, 1, 5), (2, 1, 6);
-- query
select l.id, (select count(*) from r where r.k = l.k limit 1) as a, (select distinct sum(x) from r where r.k < l.k order by sum(x) limit 5) as b, (select max(x) from r where r.k = l.k order by 1) as c from l;
-- change
insert into r values (3, 2, 2);
-- change
insert into l values (3, 2);
-- change
delete from r where id = 1;

-- case an aggregate in a view that has the alias of a block around
create table r (id integer primary key, i integer);
create table s (i integer);
create view per_id as select q1.id as c1, count(q1.i) as c2 from r as q1 where q1.i in (select q2.i from s as q2) group by q1.id;
insert into r values (1, 1), (2, 1), (3, 2);
insert into s values (1);
-- query
select q1.id, exists (select from r as q2 where q2.i = q1.i and exists (select from per_id as q3 where q3.c1 = q1.i and q3.c2 <> q2.id)) as e from r as q1;
-- change
insert into s values (2);
-- change
update r set i = 3 where id = 1;
delete from s where i = 1;

-- case a dozen subqueries that a change of their table all changes for each row
create table r (id integer primary key, i integer);
create table s (i integer);
insert into r select n, n % 3 from generate_series(1, 40) n;
insert into s values (1), (2), (null);
-- query
select id, i > any (select i from s) as a, i >= any (select i from s) as b, i < all (select i from s) as c, i <= all (select i from s) as d, i not in (select i from s) as e, (select sum(s.i) from s where s.i = r.i) as f, (select count(*) from s where s.i = r.i) as g, (select max(s.i) from s where s.i = r.i) as h, exists (select from s where s.i = r.i) as j from r;
-- change
update r set i = i + 1 where id < 5;
delete from s;
-- change
insert into s select n from generate_series(0, 4) n;
delete from r where id = 7;
