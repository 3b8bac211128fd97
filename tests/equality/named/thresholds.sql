-- Rows compared with one value that the query computes: it moves, and they come and go with it.
-- One statement a line. Every change is followed by a refresh and a comparison.

-- case above_average
create table r (id integer primary key, k integer, v numeric);
insert into r select i, i % 4, i from generate_series(1, 40) i;
-- query
select id, v from r where v > (select avg(v) from r where k <> 3);
-- change
insert into r values (100, 1, 400);
-- change
delete from r where id = 100;
-- change
update r set v = -v where id < 9;
insert into r values (101, 3, 1);
-- change
update r set v = v + 5;
-- change
update r set v = null where id < 30;
-- change
delete from r where k <> 3;
-- change
insert into r values (1, 1, 10), (2, 3, 11);
-- change
delete from r;
-- change
insert into r values (1, 1, 'NaN'), (2, 2, 'Infinity'), (3, 1, 1), (4, 3, 'NaN');
-- change
delete from r where id = 1;
-- change
truncate r;

-- case a_value_that_may_be_missing
create table r (id integer primary key, v integer);
create table s (id integer primary key, v integer);
insert into r select i, i from generate_series(1, 20) i;
insert into s values (1, 5), (2, 7);
-- query
select id from r where v >= (select max(v) from s having count(*) > 1);
-- change
update s set v = 12 where id = 2;
-- change
delete from s where id = 1;
-- change
insert into s values (3, 1);
update r set v = 1 where id = 20;
-- change
delete from s where id = 2;
-- change
insert into s values (2, 3), (4, null);

-- case duplicates_without_a_key
create table r (k text, v integer);
create table s (v integer);
insert into r values ('a', 1), ('a', 1), ('a', 3), ('b', 5), (null, 5), ('b', null);
insert into s values (2);
-- query
select k from r where v > (select min(v) from s);
-- change
insert into s values (0);
insert into r values ('a', 1), ('c', -1);
-- change
delete from r where v = 1;
insert into s values (-7);
-- change
delete from s;
-- change
insert into s values (4), (4);
insert into r select k, v from r;

-- case between_two_values_in_groups
create table r (id integer primary key, k integer, v integer);
create table s (id integer primary key, v integer);
insert into r select i, i % 3, i from generate_series(1, 30) i;
insert into s values (1, 5), (2, 20);
-- query
select k, count(*) as n, sum(v) as t from r where v between (select min(v) from s) and (select max(v) from s) group by k;
-- change
update s set v = v + 3;
-- change
insert into s values (3, 100), (4, -5);
delete from r where id % 2 = 0;
-- change
delete from s where id in (1, 4);
update r set v = v * 2, k = k + 1;
-- change
delete from s;
-- change
insert into s values (9, 9);

-- case with_equality_and_either_or
create table r (id integer primary key, k integer, v integer);
create table s (id integer primary key, k integer, v integer);
insert into r select i, i % 3, i % 7 from generate_series(1, 21) i;
insert into s values (1, 1, 3), (2, 2, 4);
-- query
select r.id, r.v from r cross join (select max(k) as k, avg(v) as v, count(*) as n from s) m where r.k = m.k and r.v > m.v or m.n > 3 and r.v <> 0;
-- change
insert into s values (3, 2, 1);
-- change
insert into s values (4, 0, 0);
-- change
update r set k = 2;
update s set k = 2;
delete from s where id = 4;
-- change
delete from s;

-- case of_groups_above_a_share_of_all
create table r (id integer primary key, k integer, v numeric(8, 2));
insert into r select i, i % 5, i from generate_series(1, 50) i;
-- query
select k, sum(v) as t from r group by k having sum(v) > (select sum(v) * 0.2 from r);
-- change
insert into r values (60, 1, 500);
-- change
update r set k = 2 where k = 1;
-- change
delete from r where k = 2;
-- change
delete from r;
-- change
insert into r values (1, 1, -1), (2, 2, -3);

-- case a_threshold_within_a_semi_join
create table r (id integer primary key, k integer, v integer);
create table s (id integer primary key, k integer, v integer);
insert into r select i, i % 3, i from generate_series(1, 12) i;
insert into s select i, i % 3, i * 2 from generate_series(1, 9) i;
-- query
select id from r where not exists (select from s where s.k = r.k and s.v > (select avg(v) from r) and s.id <> r.id);
-- change
update r set v = v + 6 where id < 4;
-- change
insert into s values (10, 1, 40), (11, 2, 12);
delete from r where id = 5;
-- change
update s set v = v - 20;
insert into r values (20, 0, -300);
-- change
delete from s where k = 1;

-- case the_one_row_on_the_left
create table r (id integer primary key, v integer);
create table s (id integer primary key, v integer);
insert into r select i, i from generate_series(1, 10) i;
insert into s values (1, 4);
-- query
select r.id from (select max(v) as v from s) m join r on m.v < r.v;
-- change
insert into s values (2, 8);
update r set v = 9 where id = 1;
-- change
delete from s where id = 2;
-- change
delete from s;
