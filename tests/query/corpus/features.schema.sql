create schema "Mixed ""Case"" N.s";
create type "Mixed ""Case"" N.s"."Mood Of" as enum ('sad', 'ok', 'it''s');
create type pair as (a integer, b text);
create domain positive as integer check (value > 0);
create domain grid as integer[];
create table t (
  id integer primary key, a integer, b integer not null, c text, d date,
  n numeric(10,2), f double precision, ts timestamptz, j jsonb, arr integer[],
  grids grid[], p pair, flag boolean, iv interval, x xml, bits bit(4), ch char(3), r int4range
);
create table u (id integer, a integer, c text, e text collate "C", v numeric);
create table "Mixed ""Case"" N.s"."Or ders" (
  "Id" integer primary key, "select" text, "a""b" "Mixed ""Case"" N.s"."Mood Of", "U&x" integer
);
create table tree (id integer primary key, parent integer, name text);
create table measures (k integer, v numeric, w numeric) partition by range (k);
create table measures_0 partition of measures for values from (0) to (100);
create view over_t as select id, a + b as total, c from t where flag;
create view over_over("First", second) as
  select v.total, count(*) from over_t v group by 1;
create function add_one(integer) returns integer immutable language sql as 'select $1 + 1';
create function "Weird fn"(a integer, variadic more integer[] default '{}')
  returns integer stable language sql as 'select $1 + coalesce(array_length($2, 1), 0)';
create function rows_of(integer, out x integer, out y text) returns setof record
  language sql as 'select $1, ''y''';
create function records() returns setof record language sql as 'select 1, ''y''::text';
create function "cube"(integer) returns integer immutable language sql as 'select $1';
create operator @@@@ (function = int4pl, leftarg = integer, rightarg = integer);
create operator "Mixed ""Case"" N.s".+ (function = int4mi, leftarg = integer, rightarg = integer);
create aggregate my_sum(integer) (sfunc = int4pl, stype = integer, initcond = '0');
create collation "Mixed ""Case"" N.s"."C oll" (provider = libc, locale = 'C');
