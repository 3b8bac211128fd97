-- Ways to change a table, and shapes of query that meet them.
-- One statement a line. Every change is followed by a refresh and a comparison.

-- case keys_swapped
create table r (id integer primary key, x text);
insert into r values (1, 'a'), (2, 'b');
-- query
select id, x from r;
-- change
update r set id = -id;
update r set id = id + 3;
-- change
update r set id = id + 10;

-- case key_given_to_another_row
create table r (id integer primary key, x text);
insert into r values (1, 'a'), (2, 'b');
-- query
select id, x from r;
-- change
delete from r where id = 1;
update r set id = 1 where id = 2;
insert into r values (2, 'c');

-- case same_row_many_times
create table r (id integer primary key, x integer);
insert into r values (1, 1);
-- query
select id, x from r;
-- change
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
update r set x = x + 1;
-- change
update r set x = x - 20;
update r set x = x + 20;

-- case came_and_went
create table r (id integer primary key, x integer);
insert into r values (1, 1);
-- query
select id, x from r;
-- change
insert into r values (2, 2);
delete from r where id = 2;
-- change
delete from r;
insert into r values (1, 1);

-- case cascade
create table s (id integer primary key);
create table r (id integer primary key, x integer references s on delete cascade on update cascade);
insert into s values (1), (2);
insert into r values (1, 1), (2, 1), (3, 2);
-- query
select s.id, r.id as r from s join r on r.x = s.id;
-- change
update s set id = 5 where id = 1;
-- change
delete from s where id = 5;
-- change
delete from s;

-- case written_by_triggers
create table r (id integer primary key, x integer);
create table s (id integer, x integer);
create function copy() returns trigger language plpgsql as $$begin insert into s values (new.id, new.x); new.x := new.x + 1; return new; end$$;
create trigger copy before insert or update on r for each row execute function copy();
-- query
select r.id, s.x from r join s using (id);
-- change
insert into r values (1, 1), (2, 2);
-- change
update r set x = 7;
-- change
update s set x = x + 1;

-- case deferred_swap
create table r (id integer primary key deferrable initially deferred, x text);
insert into r values (1, 'a'), (2, 'b');
-- query
select id, x from r;
-- change
update r set id = 3 - id;
-- change
begin;
update r set id = 2 where x = 'b';
update r set id = 1 where x = 'a';
update r set id = 7 where x = 'b';
commit;

-- case column_names
create table r ("select" integer, "a b" text, "Ü""" integer primary key);
insert into r values (1, 'a', 1), (1, 'b', 2);
-- query
select "select" as "from", "a b" as "A b", "Ü""" as "x.y", count(*) as " n" from r group by 1, 2, 3;
-- change
update r set "select" = 2;
-- change
delete from r where "Ü""" = 1;

-- case whole_table
create table r (id integer primary key, x integer);
insert into r values (1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5), (7, 6), (8, 7), (9, 8), (10, 9), (11, 10), (12, 11), (13, 12), (14, 13), (15, 14), (16, 15), (17, 16), (18, 17), (19, 18), (20, 19), (21, 20), (22, 21), (23, 22), (24, 23), (25, 24), (26, 25), (27, 26), (28, 27), (29, 28), (30, 29), (31, 30), (32, 31), (33, 32), (34, 33), (35, 34), (36, 35), (37, 36), (38, 37), (39, 38), (40, 39);
-- query
select a.x, b.id from r a join r b on a.x = b.id;
-- change
update r set x = 40 - x;
-- change
delete from r where id % 2 = 0;
-- change
update r set id = -id;
-- change
delete from r;

-- case values_and_functions
create table r (id integer primary key, x integer);
insert into r values (1, 1), (2, 2), (3, 2);
-- query
select r.x, v.name, g.n from r join (values (1, 'one'), (2, 'two')) as v (x, name) using (x) cross join generate_series(1, 2) as g (n);
-- change
update r set x = 2;
-- change
insert into r values (9, 1), (8, 1);
-- change
delete from r where x = 2;

-- case union_arms_alike
create table r (id integer primary key, x integer);
insert into r values (1, 1), (2, 2), (3, 2);
-- query
select x from r union all select x from r where x > 1 union all select id from r;
-- change
update r set x = 2;
-- change
delete from r where id = 1;
-- change
update r set id = id + 2 where id > 2;

-- case union_with_itself
create table r (id integer primary key, x integer);
insert into r values (1, 1), (2, 2), (3, 2);
-- query
select x, 1 as n from r union select id, 1 from r;
-- change
update r set x = 5;
-- change
delete from r where id = 1;
-- change
delete from r;

-- case composite_key
create table r (a integer, b text, x integer, primary key (a, b));
insert into r values (1, 'x', 1), (1, 'y', 2), (2, 'x', 3);
-- query
select q.b, p.x, q.a from r as p join r as q using (a, b);
-- change
update r set a = 3 - a where b = 'x';
-- change
update r set b = b || 'z';
-- change
delete from r where x = 2;

-- case dropped_and_generated_columns
create table r (gone integer, id integer generated always as identity primary key, twice integer generated always as (x * 2) stored, x integer default 7);
alter table r drop column gone;
insert into r (x) values (1), (2);
-- query
select id, twice, x from r;
-- change
insert into r default values;
-- change
update r set x = x + 1;
-- change
delete from r where twice = 4;

-- case domains
create domain price as numeric(8,2) check (value >= 0);
create domain code as char(3) not null;
create table r (x price, c code);
insert into r values (1, 'a'), (null, 'b'), (1.00, 'a');
-- query
select c, x, count(*) as n, sum(x) as s from r group by c, x;
-- change
update r set x = 2;
-- change
update r set c = 'a';
-- change
delete from r where x = 2;

-- case rows_move_between_partitions
create table r (id integer primary key, x text) partition by range (id);
create table r_low partition of r for values from (minvalue) to (10);
create table r_high partition of r for values from (10) to (maxvalue) partition by range (id);
create table r_higher partition of r_high for values from (10) to (maxvalue);
insert into r values (1, 'a'), (2, 'b'), (11, 'c');
-- query
select id, x, count(*) as n from r group by id;
-- change
update r set id = id + 9;
-- change
update r_high set x = 'd';
-- change
insert into r_low values (3, 'e');
-- change
update r set id = 40 - id;
-- change
delete from r_higher;

-- case empty_statements
create table r (id integer primary key, x integer);
-- query
select count(*) as n, max(x) as m from r;
-- change
delete from r;
-- change
insert into r select 1, 1 where false;
-- change
update r set x = 1;
-- change
insert into r values (1, 1);
