-- Values that are rows: one with NULL in every field is not NULL itself, though IS NULL says so.
-- One statement a line. Every change is followed by a refresh and a comparison.

-- case counted
create type pair as (a integer, b text);
create table r (id integer primary key, g integer, p pair);
insert into r values (1, 1, row(1, 'x')), (2, 1, row(null, null)), (3, 1, null), (4, 2, row(1, null));
-- query
select g, count(p) as n, count(distinct p) as d, array_agg(p) as all, min(p::text) as m from r group by g;
-- change
insert into r values (5, 1, row(null, null)), (6, 2, null);
-- change
update r set p = row(null, null);
-- change
update r set p = null where id < 4;
-- change
delete from r where g = 2;

-- case rows_without_a_type
create table r (id integer primary key, g integer, a integer, b text);
insert into r values (1, 1, 1, 'x'), (2, 1, null, null), (3, 2, 1, null);
-- query
select g, count((a, b)) as n, count(distinct (a, b)) as d from r group by g;
-- change
insert into r values (4, 1, null, null), (5, 2, 2, null);
-- change
update r set a = null, b = null;
-- change
delete from r where id = 1;

-- case grouped
create type pair as (a integer, b text);
create table r (id integer primary key, p pair);
insert into r values (1, row(1, 'x')), (2, row(1, null)), (3, row(null, null)), (4, null);
-- query
select p, count(*) as n, max(id) as most from r group by p;
-- change
insert into r values (5, row(1, null)), (6, row(null, null)), (7, null), (8, row(2, null));
-- change
delete from r where id in (2, 3, 4, 6);
-- change
update r set p = row(1, null) where id > 5;

-- case joined
create type pair as (a integer, b text);
create table r (id integer primary key, p pair);
create table s (id integer primary key, p pair);
insert into r values (1, row(1, 'x')), (2, row(1, null)), (3, row(null, null)), (4, null);
insert into s values (1, row(1, 'x')), (2, row(1, null));
-- query
select r.id, s.id as other from r left join s on s.p = r.p;
-- change
insert into s values (3, row(null, null)), (4, null);
-- change
delete from s where id in (1, 2);
-- change
update r set p = row(null, null);

-- case excluded
create type pair as (a integer, b text);
create table r (id integer primary key, p pair);
create table s (id integer primary key, p pair);
insert into r values (1, row(1, 'x')), (2, row(1, null)), (3, row(null, null)), (4, null);
insert into s values (1, row(1, 'x'));
-- query
select id from r where p not in (select p from s);
-- change
insert into s values (3, row(null, null));
-- change
update s set p = row(1, null) where id = 1;
-- change
insert into s values (4, null);
-- change
delete from s where id = 4;
