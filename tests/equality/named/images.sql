-- Values that are equal and print differently, and values that have no equality.
-- One statement a line. Every change is followed by a refresh and a comparison.

-- case numeric_scale
create table r (id integer primary key, x numeric);
insert into r values (1, 1.0), (2, 2);
-- query
select id, x from r;
-- change
update r set x = 1.00 where id = 1;
-- change
update r set x = 1.0;
-- change
update r set x = 1.000;

-- case numeric_scale_without_key
create table r (x numeric);
insert into r values (1.0);
insert into r values (1.00);
insert into r values (1.0);
-- query
select x from r;
-- change
update r set x = 1.00;
-- change
delete from r where ctid = (select min(ctid) from r);
-- change
update r set x = 1.0;
-- change
insert into r values (1.00);

-- case negative_zero
create table r (id integer primary key, x float8);
insert into r values (1, '-0'), (2, 0);
-- query
select id, x from r;
-- change
update r set x = 0;
-- change
update r set x = '-0';
-- change
update r set x = -x;

-- case negative_zero_without_key
create table r (x float8);
insert into r values ('-0');
insert into r values (0);
-- query
select x from r;
-- change
update r set x = 0;
-- change
insert into r values ('-0');
-- change
update r set x = -x;

-- case json_text
create table r (id integer primary key, x json);
insert into r values (1, '{"a":1}'), (2, null);
-- query
select id, x from r;
-- change
update r set x = '{"a": 1}';
-- change
update r set x = null;
-- change
update r set x = 'null';

-- case json_without_key
create table r (x json);
insert into r values ('{}');
insert into r values ('{}');
insert into r values ('{ }');
insert into r values (null);
-- query
select x from r;
-- change
update r set x = '{}';
-- change
delete from r where x is null;
-- change
insert into r select x from r;
-- change
delete from r where ctid = (select min(ctid) from r);

-- case jsonb_number
create table r (id integer primary key, x jsonb);
insert into r values (1, '1.0'), (2, '{"a": 1.00}');
-- query
select id, x from r;
-- change
update r set x = '1.00';
-- change
update r set x = '{"a": 1.0}';

-- case jsonb_without_key
create table r (x jsonb);
insert into r values ('1.0');
insert into r values ('1.00');
-- query
select x from r;
-- change
update r set x = '1.00';
-- change
update r set x = '1.0';

-- case interval_days
create table r (id integer primary key, x interval);
insert into r values (1, '1 day'), (2, '1 mon');
-- query
select id, x from r;
-- change
update r set x = '24 hours';
-- change
update r set x = '30 days';

-- case point_without_key
create table r (x point);
insert into r values ('(0,0)');
insert into r values ('(1,2)');
insert into r values ('(1,2)');
-- query
select x from r;
-- change
update r set x = '(-0,0)' where x ~= '(0,0)';
-- change
delete from r;
-- change
insert into r values ('(3,4)');

-- case array_of_numeric
create table r (x numeric[]);
insert into r values ('{1.0}');
insert into r values ('{1.00}');
-- query
select x from r;
-- change
update r set x = '{1.00}';
-- change
update r set x = '{1.0,NULL}';

-- case array_bounds
create table r (x integer[]);
insert into r values ('{1,2}');
insert into r values ('[0:1]={1,2}');
-- query
select x from r;
-- change
update r set x = '{1,2}';
-- change
update r set x = '[3:4]={1,2}';

-- case padding
create table r (x char(3));
insert into r values ('a');
insert into r values ('a  ');
insert into r values ('');
-- query
select x from r;
-- change
update r set x = 'b';
-- change
update r set x = '';
-- change
update r set x = null;

-- case bpchar_without_length
create table r (x bpchar);
insert into r values ('a');
insert into r values ('a  ');
-- query
select x from r;
-- change
update r set x = 'a ';
-- change
update r set x = 'a';

-- case range_and_composite
create type pair as (a numeric, b text);
create table r (x pair, y int4range);
insert into r values ((1.0, 'x'), '[1,2]'), ((1.00, 'x'), 'empty'), (null, null);
-- query
select x, y from r;
-- change
update r set x = (1.00, 'x');
-- change
update r set x = null, y = '[1,3)';

-- case row_that_is_null_and_row_of_nulls
create type pair as (a integer, b text);
create table r (x pair);
insert into r values (null), (row(null, null));
-- query
select x from r;
-- change
update r set x = row(null, null) where x is not distinct from null;
-- change
update r set x = null;

-- case bit_and_bytea
create table r (x bytea, y varbit, z uuid);
insert into r values ('\x00', '101', null), ('\x00', '101', null);
-- query
select x, y, z from r;
-- change
update r set x = '\x0000';
-- change
update r set y = '';

-- case nondeterministic_collation
create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table r (x text collate loose);
insert into r values ('a'), ('A'), ('b');
-- query
select x from r;
-- change
update r set x = 'A';
-- change
update r set x = 'a';
-- change
insert into r values ('A');

-- case left_join_under_the_collation_of_one_side
create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table l (id integer primary key, x text collate loose);
create table r (id integer primary key, y text);
insert into l values (1, 'a');
insert into r values (1, 'a');
-- query
select l.id, r.id as rid from l left join r on l.x = r.y;
-- change
insert into r values (2, 'A');
-- change
delete from r where id = 1;
-- change
insert into r values (3, 'a');
delete from r where id = 2;
-- change
delete from r;

-- case not_exists_under_the_collation_of_one_side
create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table l (id integer primary key, x text collate loose);
create table r (id integer primary key, y text);
insert into l values (1, 'a');
insert into r values (1, 'a');
-- query
select l.id from l where not exists (select from r where r.y = l.x);
-- change
insert into r values (2, 'A');
-- change
delete from r where id = 1;
-- change
insert into r values (3, 'a');
delete from r where id = 2;
-- change
delete from r;

-- case not_a_number_with_a_sign
create table r (id integer primary key, t text, f float8);
insert into r values (6, null, 'NaN'), (7, 'a', 'NaN'), (8, 'a', 1);
-- query
select t, coalesce(f, 'NaN') as f from r;
-- change
update r set f = - f;
-- change
delete from r where id = 6;
-- change
update r set f = - f, t = 'b' where id = 7;
-- change
delete from r;
