-- Values that are equal to one value and not to each other; keys of other equalities.
-- One statement a line. Every change is followed by a refresh and a comparison.

-- case aggregated_by_a_local_time
create table l (id integer primary key, t timestamptz);
create table r (id integer primary key, t timestamp, v integer);
insert into l values (1, '2024-03-31 03:30:00+02');
insert into r values (1, '2024-03-31 02:30', 1), (2, '2024-03-31 03:30', 2);
-- query
select l.id, (select sum(r.v) from r where r.t = l.t) as s from l;
-- change
insert into l values (2, '2024-03-31 03:30:00+02');

-- case exists_by_a_local_time
create table l (id integer primary key, t timestamptz);
create table r (id integer primary key, t timestamp, v integer);
insert into l values (1, '2024-03-31 03:30:00+02');
-- query
select l.id from l where exists (select 1 from r where r.t = l.t);
-- change
insert into r values (1, '2024-03-31 02:30', 1), (2, '2024-03-31 03:30', 2);
-- change
delete from r where id = 1;
-- change
delete from r where id = 2;

-- case left_join_by_a_local_time
create table l (id integer primary key, t timestamptz);
create table r (id integer primary key, t timestamp, v integer);
insert into l values (1, '2024-03-31 03:30:00+02');
-- query
select l.id, r.v from l left join r on r.t = l.t;
-- change
insert into r values (1, '2024-03-31 02:30', 1), (2, '2024-03-31 03:30', 2);
-- change
delete from r where id = 1;
-- change
delete from r;

-- case aggregated_under_the_collation_of_one_side
create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table l (id integer primary key, k text collate ci);
create table r (id integer primary key, k text);
insert into l values (1, 'a'), (2, 'b');
insert into r values (1, 'a'), (2, 'A');
-- query
select l.id, (select count(*) from r where r.k = l.k) as n from l;
-- change
insert into r values (3, 'B'), (4, 'b');
-- change
delete from r where id = 1;

-- case first_row_under_the_collation_of_one_side
create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table l (id integer primary key, k text collate ci);
create table r (id integer primary key, k text);
insert into l values (1, 'a'), (2, 'b');
insert into r values (1, 'a'), (2, 'A');
-- query
select l.id, x.id as rid from l cross join lateral (select r.id from r where r.k = l.k order by r.id limit 1) x;
-- change
insert into r values (3, 'B'), (4, 'b');

-- case key_under_the_collation_of_one_side
create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table l (id integer primary key, k text collate ci);
create table r (k text primary key, v integer);
insert into l values (1, 'a'), (2, 'b');
insert into r values ('a', 1), ('A', 2);
-- query
select l.id, r.v from l left join r on r.k = l.k;
-- change
insert into r values ('b', 3);
-- change
insert into r values ('B', 4);

-- case key_under_another_collation
create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table t (k text collate ci not null, v integer);
create unique index t_k on t (k collate "C");
insert into t values ('a', 1), ('A', 2), ('b', 3);
-- query
select k, v from t;
-- change
update t set v = 5 where k collate "C" = 'a';
-- change
delete from t where k collate "C" = 'A';
-- change
insert into t values ('A', 7), ('B', 8);
-- change
update t set v = v + 1;

-- case key_by_images
create type pair as (n numeric);
create table t (k pair not null, v integer);
create unique index t_k on t (k record_image_ops);
insert into t values (row(1.0), 1), (row(1.00), 2);
-- query
select k, v from t;
-- change
update t set v = 5 where (k).n::text = '1.0';
-- change
insert into t values (row(1.000), 3);
-- change
update t set v = v + 1;

-- case key_of_many_short_values
create table t (id integer primary key, v varchar(10)[] not null);
insert into t values (1, '{a,b}');
-- query
select v, count(*) as n from t group by v;
-- change
insert into t select 2, array_agg(md5(i::text)::varchar(10)) from generate_series(1, 3000) i;
-- change
delete from t where id = 2;

-- case equal_circles
create table l (id integer primary key, c circle);
create table r (id integer primary key, c circle, v integer);
insert into l values (1, '((0,0),1)'), (2, '((1,1),2)');
insert into r values (1, '((5,5),1)', 1);
-- query
select l.id, r.v from l left join r on r.c = l.c;
-- change
insert into r values (2, '((9,9),2)', 2);
-- change
delete from r where id = 1;
