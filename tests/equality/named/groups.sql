-- Groups, and what is computed of them.
-- One statement a line. Every change is followed by a refresh and a comparison.

-- case null_keys
create table r (a integer, b text);
insert into r values (null, 'x'), (null, null), (1, null), (null, 'x');
-- query
select a, b, count(*) as n, sum(a) as s from r group by a, b;
-- change
delete from r where a is null and b is null;
-- change
update r set a = null;
-- change
update r set b = null;
-- change
insert into r values (null, null), (1, 'x');
-- change
delete from r;

-- case sum_scale
create table r (id integer primary key, x numeric);
insert into r values (1, 1.0), (2, 1.00), (3, 1.0000);
-- query
select sum(x) as s, avg(x) as a, count(x) as n from r;
-- change
delete from r where id = 3;
-- change
delete from r where id = 2;
-- change
update r set x = 1.000000;
-- change
update r set x = null;
-- change
delete from r;
-- change
insert into r values (1, 1), (2, 0.00);

-- case sum_scale_negative
create table r (id integer primary key, x numeric);
insert into r values (1, 1e5), (2, -0.00), (3, 0.000);
-- query
select id % 2 as k, sum(x) as s from r group by 1;
-- change
delete from r where id = 3;
-- change
update r set x = -x;
-- change
update r set x = trim_scale(x);

-- case sum_infinities
create table r (id integer primary key, x numeric);
insert into r values (1, 'NaN'), (2, 'Infinity'), (3, 1.5), (4, '-Infinity');
-- query
select sum(x) as s, avg(x) as a, max(x) as m, min(x) as l from r;
-- change
delete from r where id = 1;
-- change
delete from r where id = 2;
-- change
delete from r where id = 4;
-- change
insert into r values (5, 'NaN');
-- change
update r set x = 2.50 where id = 5;
-- change
delete from r;

-- case sum_float
create table r (id integer primary key, x float8);
insert into r values (1, 'NaN'), (2, 'Infinity'), (3, 0.5), (4, '-0');
-- query
select sum(x) as s, avg(x) as a, count(x) as n from r;
-- change
delete from r where id = 1;
-- change
delete from r where id = 2;
-- change
delete from r where id = 3;
-- change
delete from r;

-- case sum_cancels_beyond_float
create table r (id integer primary key, x float8);
insert into r values (1, 1e300), (2, 1), (3, -1e300);
-- query
select sum(x) as s from r where id <> 3 or x < 0;
-- change
delete from r where id = 1;
-- change
update r set x = 1 where id = 3;

-- case sum_beyond_bigint
create table r (id integer primary key, x bigint);
insert into r values (1, 9223372036854775807), (2, 9223372036854775807), (3, -1);
-- query
select sum(x) as s, avg(x) as a from r;
-- change
delete from r where id = 3;
-- change
delete from r where id = 1;
-- change
update r set x = -x;

-- case sum_smallint
create table r (id integer primary key, x smallint);
insert into r values (1, 32767), (2, 32767), (3, null);
-- query
select sum(x) as s, avg(x) as a, max(x) as m from r;
-- change
update r set x = -32768;
-- change
delete from r where id = 2;
-- change
update r set x = null;

-- case sum_money_and_interval
create table r (id int primary key, x money, y interval);
insert into r values (1, 1.5, '1 day'), (2, 2.5, '24 hours'), (3, null, null);
-- query
select sum(x) as s, sum(y) as t, avg(y) as a, max(x) as m from r;
-- change
delete from r where id = 1;
-- change
update r set y = '1 mon';
-- change
delete from r;

-- case extremes_leave
create table r (id integer primary key, x integer);
insert into r values (1, 1), (2, 5), (3, 5), (4, 3);
-- query
select min(x) as l, max(x) as m, count(*) as n from r;
-- change
delete from r where id = 2;
-- change
delete from r where id = 3;
-- change
update r set x = 9 where id = 1;
-- change
update r set x = null;
-- change
update r set x = id;
-- change
delete from r where x = 1;

-- case extremes_of_groups
create table r (id integer primary key, x text);
insert into r values (1, 'b'), (2, 'a'), (3, null), (4, 'B');
-- query
select id % 2 as k, min(x) as l, max(x) filter (where x <> 'b') as m from r group by 1;
-- change
update r set x = 'c' where x = 'b';
-- change
delete from r where id = 2;
-- change
update r set id = id + 1;
-- change
update r set x = null;

-- case booleans
create table r (id integer primary key, x boolean);
insert into r values (1, true), (2, false), (3, null), (4, true);
-- query
select bool_and(x) as a, bool_or(x) as o, every(x) filter (where id > 1) as e from r;
-- change
delete from r where not x;
-- change
update r set x = not x;
-- change
update r set x = null;
-- change
delete from r;

-- case count_distinct
create table r (id integer primary key, x numeric);
insert into r values (1, 1.0), (2, 1.00), (3, null), (4, 2);
-- query
select count(distinct x) as d, count(x) as n, count(*) as a from r;
-- change
delete from r where id = 1;
-- change
update r set x = null where id = 2;
-- change
update r set x = 2.0;

-- case having_comes_and_goes
create table r (id integer primary key, x integer);
insert into r values (1, 1), (2, 1), (3, 2);
-- query
select x, count(*) as n from r group by x having count(*) > 1;
-- change
update r set x = 2 where id = 2;
-- change
update r set x = 1;
-- change
delete from r;
-- change
insert into r values (1, 7), (2, 7);

-- case aggregate_of_aggregate
create table r (id integer primary key, x integer);
insert into r values (1, 1), (2, 1), (3, 2);
-- query
select max(n) as most, count(*) as groups from (select x, count(*) as n from r group by x) as g;
-- change
update r set x = 2 where id = 2;
-- change
update r set x = null;
-- change
delete from r;
-- change
insert into r values (1, 7), (2, 7);

-- case grouped_by_primary_key
create table r (id integer primary key, x integer);
insert into r values (1, 1), (2, 1), (3, 2);
-- query
select a.id, a.x, count(*) as n from r a join r b using (x) group by a.id;
-- change
update r set x = 2 where id = 2;
-- change
delete from r where id = 3;
-- change
update r set id = id + 1;

-- case constant_key
create table r (id integer primary key, x integer);
insert into r values (1, 1), (2, 2);
-- query
select 'all' as k, sum(x) as s from r group by 1;
-- change
delete from r;
-- change
insert into r values (1, 1);

-- case distinct_scale
create table r (id integer primary key, x numeric);
insert into r values (1, 1.0), (2, 1.00), (3, 2);
-- compared under trim_scale({})
-- query
select distinct x from r;
-- change
delete from r where id = 1;
-- change
insert into r values (1, 1.000);
-- change
update r set x = 2.0;

-- case grouped_by_interval
create table r (id integer primary key, x interval);
insert into r values (1, '1 day'), (2, '24 hours');
-- compared under extract(epoch from {}) | 
-- query
select x, count(*) as n from r group by x;
-- change
delete from r where id = 1;
-- change
update r set x = '1 day';
-- change
delete from r;

-- case grouped_by_nondeterministic_collation
create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table r (x text collate loose);
insert into r values ('a'), ('A'), ('b');
-- compared under lower({} collate "C") | 
-- query
select x, count(*) as n from r group by x;
-- change
update r set x = 'A' where x = 'b';
-- change
delete from r;
-- change
insert into r values ('B'), ('b');

-- case group_empties_and_returns_in_one_refresh
create table r (id integer primary key, x integer);
insert into r values (1, 1), (2, 2);
-- query
select x, count(*) as n, min(id) as l from r group by x;
-- change
delete from r;
insert into r values (1, 1), (2, 2);
-- change
delete from r;
insert into r values (5, 1);
-- change
update r set x = 3 - x;
update r set x = 3 - x;

-- case total_of_which_nothing_is_read
create table r (a integer);
create table s (b integer);
insert into s values (1), (null);
-- query
select distinct s.b from (select count(*) as n from r) as t cross join s;
-- change
delete from s;
-- change
insert into r values (1), (2);
insert into s values (3), (3);
-- change
delete from r;

-- case keys_that_print_in_several_ways
-- compared under trim_scale({}) |  |  | 
create table r (id integer primary key, k numeric, x integer);
insert into r values (1, 1.0, 1), (2, 1.00, 2), (3, 2.0, 3), (4, null, 4);
-- query
select k, sum(x) as s, count(*) as n, max(x) as m from r group by k;
-- change
insert into r values (5, 1.000, 5), (6, 3.0, 6), (7, 2, 7);
-- change
delete from r where id = 1;
-- change
update r set k = 1.0 where id = 2;
-- change
update r set k = k + 0.0;
-- change
delete from r where k = 2;
insert into r values (8, 2.000, 8);
-- change
begin;
insert into r values (9, 4.0, 1), (10, 4.00, 1);
delete from r where id = 9;
commit;
-- change
update r set k = null where id < 5;

-- case a_key_shows_a_row_that_is_there
-- (A group of one row has one way to print.)
create table r (id integer primary key, k numeric, f float8, x integer);
insert into r values (1, 1.0, 0, 1), (2, 1.00, '-0', 2);
-- query
select k, f, sum(x) as s from r group by k, f having count(*) = 1;
-- change
delete from r where id = 1;
-- change
update r set k = 1.000;
-- change
update r set f = 0;
-- change
insert into r values (3, 1.0, 0, 5);
delete from r where id = 2;

-- case an_extreme_shows_a_row_that_is_there
create table r (id integer primary key, g integer, k numeric);
insert into r values (1, 1, 1.0), (2, 2, 0.50);
-- query
select g, max(k) as m, min(k) as l from r group by g;
-- change
begin;
delete from r where id = 1;
insert into r values (3, 1, 1.00);
commit;
-- change
update r set k = 0.5 where id = 2;
-- change
insert into r values (4, 2, 0.500);
delete from r where id = 2;

-- case keys_that_are_arrays_of_numbers
-- compared under (select array_agg(trim_scale(x)) from unnest({}) x) | 
create table r (id integer primary key, k numeric[], x integer);
insert into r values (1, '{1.0}', 1), (2, '{1.00}', 2), (3, null, 3);
-- query
select k, sum(x) as s from r group by k;
-- change
insert into r values (4, '{2.0,3}', 4), (5, '{1}', 1);
-- change
delete from r where id = 1;
-- change
insert into r values (6, '{2.00,3}', 4);
delete from r where id in (2, 4);

-- case documents_as_keys
-- compared under replace({}::text, '.00', '.0') | 
create table r (id integer primary key, k jsonb, x integer);
insert into r values (1, '{"a": 1.0}', 1), (2, '{"a": 1.00}', 2);
-- query
select k, sum(x) as s from r group by k;
-- change
insert into r values (3, '{"a": 1.0}', 3), (4, '[2.00]', 4);
-- change
delete from r where id = 1;
-- change
delete from r where id <> 3;

-- case keys_under_a_nondeterministic_collation
-- compared under lower({}) |  | 
create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table r (id integer primary key, k text collate ci, x integer);
insert into r values (1, 'a', 1), (2, 'A', 2), (3, 'b', 3);
-- query
select k, sum(x) as s, count(*) as n from r group by k;
-- change
insert into r values (4, 'B', 4), (5, 'c', 5);
-- change
delete from r where id in (1, 3);
-- change
update r set k = upper(k);

-- case arrays_in_the_order_of_their_first_population
-- compared under {} | (select array_agg(x order by x) from unnest({}) x) | 
create table r (id integer primary key, g integer, x integer, f float8);
insert into r select i, i % 3, 100 - i, 0.1 * i from generate_series(1, 60) i;
update r set x = x + 1 where id % 4 = 0;
-- query
select a.g, a.a, b.n from (select g, array_agg(x) as a from r group by g) as a join (select count(*) as n, s from (select g, sum(f) as s from r group by g) as q group by s) as b on b.n > 0 and b.s > 0 and a.g < 2;
-- change
delete from r where id = 7;
-- change
update r set x = 0, f = f + 0.1 where g = 1;

-- case correlated_with_the_empty_side_of_an_outer_join
create table r (k integer not null);
create table s (id integer primary key, m numeric not null);
insert into r values (1), (2);
insert into s values (1, 1.0);
-- query
select r.k, s.m, (select count(*) from s as o where o.m >= s.m) as n from s right join r on s.id = r.k;
-- change
insert into r values (7);
-- change
insert into r values (8);
insert into s values (7, 2);
-- change
delete from r where k = 8;
delete from s where id = 1;

-- case more_keys_than_an_index_has
create table a (id integer primary key, c0 integer not null, c1 integer not null, c2 integer not null, c3 integer not null, c4 integer not null, c5 integer not null, c6 integer not null, c7 integer not null, c8 integer not null, c9 integer not null, c10 integer not null, c11 integer not null, c12 integer not null, c13 integer not null, c14 integer not null, c15 integer not null, c16 integer not null, c17 integer not null, c18 integer not null, c19 integer not null, c20 integer not null, c21 integer not null, c22 integer not null, c23 integer not null, c24 integer not null, c25 integer not null, c26 integer not null, c27 integer not null, c28 integer not null, c29 integer not null, c30 integer not null, c31 integer not null, c32 integer not null, c33 integer not null, c34 integer not null, c35 integer not null, c36 integer not null, c37 integer not null, c38 integer not null, c39 integer not null);
insert into a values (1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39);
-- query
select distinct c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19, c20, c21, c22, c23, c24, c25, c26, c27, c28, c29, c30, c31, c32, c33, c34, c35, c36, c37, c38, c39 from a;
-- change
insert into a select id + 1, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19, c20, c21, c22, c23, c24, c25, c26, c27, c28, c29, c30, c31, c32, c33, c34, c35, c36, c37, c38, c39 from a;
-- change
update a set c7 = 8;
-- change
delete from a;

-- case more_nullable_keys_than_an_index_has
create table a (id integer primary key, c0 integer, c1 integer, c2 integer, c3 integer, c4 integer, c5 integer, c6 integer, c7 integer, c8 integer, c9 integer, c10 integer, c11 integer, c12 integer, c13 integer, c14 integer, c15 integer, c16 integer, c17 integer, c18 integer, c19 integer, c20 integer, c21 integer, c22 integer, c23 integer, c24 integer, c25 integer, c26 integer, c27 integer, c28 integer, c29 integer, c30 integer, c31 integer, c32 integer, c33 integer, c34 integer, c35 integer, c36 integer, c37 integer, c38 integer, c39 integer);
insert into a values (1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39);
-- query
select distinct c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19, c20, c21, c22, c23, c24, c25, c26, c27, c28, c29, c30, c31, c32, c33, c34, c35, c36, c37, c38, c39 from a;
-- change
insert into a select id + 1, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19, c20, c21, c22, c23, c24, c25, c26, c27, c28, c29, c30, c31, c32, c33, c34, c35, c36, c37, c38, c39 from a;
-- change
update a set c7 = 8;
-- change
delete from a;

-- case long_keys_together
create table a (id integer primary key, x varchar(250) not null, y varchar(250) not null, z varchar(250) not null);
insert into a values (1, 'a', 'b', 'c');
-- query
select x, y, z, count(*) as n from a group by x, y, z;
-- change
insert into a select 2, string_agg(chr(65536 + i * 37 % 50000), ''), string_agg(chr(65536 + i * 37 % 50000), ''), string_agg(chr(65536 + i * 37 % 50000), '') from generate_series(1, 250) i;
-- change
delete from a where id = 2;

-- case sixteen_values_that_change_with_the_row_they_stand_beside
create table r (id integer primary key);
create table s (k integer);
insert into r values (1), (2);
insert into s select i % 16 from generate_series(1, 40) i;
-- query
select (select count(*) from s where k = 0) as n0, (select count(*) from s where k = 1) as n1, (select count(*) from s where k = 2) as n2, (select count(*) from s where k = 3) as n3, (select count(*) from s where k = 4) as n4, (select count(*) from s where k = 5) as n5, (select count(*) from s where k = 6) as n6, (select count(*) from s where k = 7) as n7, (select count(*) from s where k = 8) as n8, (select count(*) from s where k = 9) as n9, (select count(*) from s where k = 10) as n10, (select count(*) from s where k = 11) as n11, (select count(*) from s where k = 12) as n12, (select count(*) from s where k = 13) as n13, (select count(*) from s where k = 14) as n14, (select count(*) from s where k = 15) as n15 from r where id = 1;
-- change
insert into s select generate_series(0, 15);
delete from r where id = 1;
-- change
delete from s where ctid = any (array(select min(ctid) from s group by k));
insert into r values (1);
-- change
insert into s select generate_series(0, 15);

-- case extremes_beside_counted_values
create table r (id integer primary key, k integer, v integer);
insert into r select i, i % 4, i % 7 from generate_series(1, 40) i;
-- query
select k, count(distinct v) as n, min(v) as a, max(v) as b, count(v) as c from r group by k;
-- query
select min(v) as a, count(distinct v) as n from r;
-- change
update r set v = v + 1 where id % 3 = 0;
-- change
delete from r where v in (0, 7);
-- change
insert into r values (100, 1, 0), (101, 1, 0), (102, 9, null);
-- change
delete from r where id in (100, 102); update r set v = 9 where k = 2;

-- case keys_of_as_many_decimals
create table r (id integer primary key, a numeric(7, 2), b numeric(7, 2), c numeric(7, 3), d numeric);
insert into r select i, i / 3.0, case when i % 3 = 0 then null else i / 7.0 end, i / 4.0, round(i / 4.0, i % 4) from generate_series(1, 20) i;
insert into r values (100, 'NaN', 1, null, 1.50), (101, null, null, 2.5, 1.5), (102, 1, 1, 0.5, 1.500);
-- query
select x, count(*) as n, count(distinct id % 3) as thirds from (select id, a - coalesce(b, 0.0) as x from r union all select id, b + 1.5 from r union all select id, case when id % 2 = 0 then a else b + 0.0 end from r where id < 50) u group by x;
-- change
update r set a = a + 1.5, b = null where id % 4 = 0;
-- change
delete from r where id in (3, 7, 100);
insert into r values (200, 'NaN', null, 1, 1), (201, 2, 0.5, 1.25, 1);
-- change
update r set b = coalesce(b, 0) + a;

-- case keys_of_different_decimals
create table r (id integer primary key, a numeric(7, 2), c numeric(7, 3), d numeric);
insert into r select i, i % 5 + 0.5, i % 4 + 0.5, round(i % 3 + 0.5, i % 4) from generate_series(1, 20) i;
-- query
select x, count(*) as n from (select a as x from r union all select c from r union all select a - coalesce(d, 0.0) from r union all select a * c from r) u group by x;
-- compared under trim_scale({}) | {}
-- change
update r set a = a + 1, d = null where id % 4 = 0;
-- change
delete from r where id % 3 = 0;
-- change
update r set c = a, d = c;
