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
