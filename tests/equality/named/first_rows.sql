-- LIMIT and DISTINCT ON carried forward from the rows they kept, and computed again where too few stay.
-- One statement a line. Every change is followed by a refresh and a comparison.

-- case of_all
create table r (id integer primary key, k integer, v integer);
insert into r select i, i % 4, i from generate_series(1, 40) i;
-- query
select id, v from r order by v, id limit 5;
-- change
update r set v = v + 100 where id = 30;
-- change
insert into r values (100, 1, 0);
-- change
delete from r where id = 2;
-- change
delete from r where id = 3; insert into r values (101, 1, 4);
-- change
delete from r where id in (100, 101); insert into r values (102, 1, 100), (103, 1, -1);
-- change
update r set v = -v;
-- change
update r set v = -v; update r set v = v + 1 where id < 8;
-- change
delete from r where id > 3;
-- change
delete from r;
-- change
insert into r values (1, 1, 1), (2, 1, null), (3, 1, 7);
-- change
insert into r values (4, 1, null), (5, 1, 6), (6, 1, null), (7, 1, 5), (8, 1, 5);
-- change
delete from r where v is null; insert into r values (9, 1, 1);
-- change
truncate r;
-- change
insert into r values (9, 1, 1);

-- case peers_and_copies
create table r (k text, v integer);
insert into r select 'k' || i % 3, i % 5 from generate_series(1, 40) i;
-- query
select v from (select k, v from r order by v limit 10) t;
-- query
select k, v from r order by v, k limit 10;
-- change
insert into r values ('k0', 0), ('k0', 1), ('x', 1), ('x', 1);
-- change
delete from r where v = 1 and k = 'x';
-- change
delete from r where ctid in (select ctid from r where v = 1 and k = 'k0' limit 1);
-- change
delete from r where ctid in (select ctid from r where v = 0 limit 3);
-- change
update r set k = k || '!' where v = 0;
-- change
update r set v = v where k like 'k1%'; delete from r where v = 1;
-- change
insert into r select 'k' || i % 2, 1 from generate_series(1, 12) i;
-- change
delete from r where v = 0; update r set v = 0 where v = 4;
-- change
delete from r where v > 1;
-- change
insert into r values (null, null), (null, 1), (null, 0);

-- case of_partitions
create table r (id integer primary key, k integer, v numeric);
insert into r select i, nullif(i % 5, 0), i / 2 from generate_series(1, 60) i;
-- query
select k, id, v from r as o where id in (select t.id from r b, lateral (select c.id from r c where c.k = b.k order by c.v desc, c.id limit 3) t);
-- query
select distinct on (k) k, v from r order by k, v desc;
-- query
select b.k, t.v from (select distinct k from r) b, lateral (select c.v from r c where c.k is not distinct from b.k order by c.v, c.id desc limit 2) t;
-- change
update r set v = v + 1 where id > 55;
-- change
update r set v = v - 100 where id > 50;
-- change
insert into r values (100, 1, 1000), (101, null, 1000), (102, 9, 1), (103, 1, -5);
-- change
delete from r where id in (100, 101);
-- change
update r set k = 1 where k = 2;
-- change
update r set k = null where k = 3; update r set v = 7;
-- change
update r set v = 7.0 where id % 2 = 0; delete from r where k = 9;
-- change
delete from r where id % 3 <> 0;
-- change
delete from r where k = 1; insert into r values (1, 1, 1);
-- change
truncate r;
-- change
insert into r select i, i % 3, i from generate_series(1, 9) i;

-- case of_groups
create table r (id integer primary key, k integer, v integer);
insert into r select i, i % 10, i from generate_series(1, 60) i;
-- query
select k, sum(v) as total, count(*) as n from r group by k order by total desc, k limit 4;
-- query
select k, sum(v) as total from r group by k order by k limit 4;
-- change
update r set v = v + 1 where k = 9;
-- change
update r set v = v - 50 where k = 8;
-- change
update r set k = 11 where k = 1; insert into r values (100, 0, 500);
-- change
delete from r where k in (0, 2);
-- change
delete from r where k > 4;
-- change
insert into r select i + 200, i % 10, i * 10 from generate_series(1, 20) i;

-- case of_windows
create table r (id integer primary key, k integer, v integer);
insert into r select i, nullif(i % 5, 0), i / 3 from generate_series(1, 60) i;
-- query
select id, k, n from (select id, k, row_number() over (partition by k order by v desc, id) as n from r) w where n <= 3;
-- query
select id, n from (select id, rank() over (order by v) as n from r) w where n <= 7;
-- query
select k, v, n from (select k, v, rank() over (partition by k order by v desc nulls last) as n from r) w where n < 4;
-- query
select k, v from (select k, v, rank() over (partition by k order by v) as n from r) w where n = 1;
-- query
select k, s, n from (select k, s, rank() over (order by s desc) as n from (select k, sum(v) as s from r group by k) g) w where n <= 2;
-- query
select id, n from (select id, dense_rank() over (partition by k order by v) as n from r) w where n <= 2;
-- query
select id, n from (select id, v, rank() over (partition by k order by v) as n from r) w where n <= 4 and v > 3;
-- change
update r set v = v + 1 where id > 55;
-- change
update r set v = v - 100 where id > 50;
-- change
insert into r values (100, 1, 1000), (101, null, 1000), (102, 9, 1), (103, 1, -5);
-- change
delete from r where id in (100, 101);
-- change
update r set k = 1 where k = 2;
-- change
update r set k = null where k = 3; update r set v = 7 where id % 2 = 0;
-- change
update r set v = null where id % 7 = 0; delete from r where k = 9;
-- change
insert into r select 200 + i, i % 2, 7 from generate_series(1, 12) i;
-- change
delete from r where id % 3 <> 0;
-- change
delete from r where k = 1; insert into r values (1, 1, 1);
-- change
truncate r;
-- change
insert into r select i, i % 3, i % 4 from generate_series(1, 20) i;
-- change
delete from r where v = 0;
