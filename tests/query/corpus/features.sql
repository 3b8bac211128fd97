-- constants
select 1 as a, -1 as b, - (1) as c, 1.50 as d, -1.5e10 as e, 'x' as f, '' as g, null as h,
  true as i, false as j, 3000000000 as k, -9223372036854775808 as l, .5 as m, 1e-5 as n

-- string constants of every kind
select 'it''s' as a, e'tab\tnew\nline \\ \x41 \u00e9' as b, $$dollar 'quoted' $ $$ as c,
  $tag$ $$ $tag$ as d, U&'d\0061t\+000061' as e, 'back\slash' as f, 'a'
  'b' as g, 'concatenated'
  ' string' as h, e'\\''' as i, 'üñí日本' as j

-- bit strings
select b'1010' as a, x'1F' as b, b'' as c, bits & b'0011' as d from t

-- since 16: numbers of new spelling
select 0x1F as a, 0o17 as b, 0b101 as c, 1_000_000 as d, 0xFFFFFFFFFF as e

-- comments
select /* a /* nested */ comment */ 1 as a -- to the end
, 2 as b -- last

-- parentheses that matter
select (a + b) * id as x, a + b * id as y, a - (b - id) as z, a - b - id as w, -(a + b) as v,
  - a ^ 2 as q, (- a) ^ 2 as r, not (flag and a > b) or flag as s, (a, b) < (b, a) as tt,
  (a = b) = (b = id) as u, a || (c || 'x') as o, (a::text || c) || 'x' as oo
from t

-- type names
select 1::int2 as a, 1::int8 as b, 1::numeric(5,2) as c, '1'::varchar(3) as d, 'x'::char as e,
  'x'::char(3) as f, 'x'::"char" as g, 'x'::bpchar as h, '1'::bit(1) as i, b'1'::bit as j,
  b'1'::varbit(4) as k, '1'::float4 as l, 1::float8 as m, '12:00'::time(3) as n,
  '12:00'::timetz(2) as o, now()::timestamp(0) as p, now()::timestamptz(1) as q,
  '{}'::int[][] as r, '{{1}}'::text[] as s, 'x'::name as tt, '[1,2)'::int4range as u,
  'ok'::"Mixed ""Case"" N.s"."Mood Of" as v, 1::positive as w, '{}'::json as x, true::bool as y

-- intervals
select '1'::interval year as a, '1-2'::interval year to month as b, interval '3' hour as c,
  '1 2:03:04.567'::interval day to second(2) as d, '1.234'::interval second(1) as e,
  '4 days'::interval(3) as f, interval '1' day to minute as g, iv * 2 as h from t

-- dates read by the session's settings
select '01/02/2020'::date as a, timestamp '2020-01-02 03:04' as b, '2020-01-02 03:04+05'::timestamptz as c

-- operators of users
select a @@@@ b as x, a operator("Mixed ""Case"" N.s".+) b as y, a operator(pg_catalog.+) b as z,
  @ a as w, |/ f as v, a <> all (array[1, 2]) as u from t

-- boolean tests
select a is null as a, a is not null as b, flag is true as c, flag is not true as d,
  flag is false as e, flag is unknown as f, flag is not unknown as g,
  a is distinct from b as h, a is not distinct from null as i, (a, b) is null as j,
  row(t.*) is not null as k from t

-- pattern matching
select c like 'a%' as a, c not like 'b' as b, c ilike 'c' as cc, c like 'x!%' escape '!' as d,
  c similar to 'a|b' as e, c not similar to 'a#%' escape '#' as f, c ~ 'x' as g, c !~* 'y' as h
from t

-- ranges of values
select a between 1 and 2 as a, a not between b and id as b, a between symmetric 2 and 1 as c,
  a not between symmetric 1 and 2 as d from t

-- lists of values
select a in (1, 2, 3) as a, a not in (1, null) as b, (a, b) in ((1, 2), (3, 4)) as c,
  a = any (arr) as d, a <> all (array[1, b]) as e, c in ('x', 'y') as f, c in (e'\\', 'z') as g,
  a = any ('{1,2}'::int[]) as h from t

-- conditions
select case when a > b then 1 when a < b then 2 else 3 end as a, case a when 1 then 'x' end as b,
  coalesce(a, b, 0) as c, nullif(a, b) as d, greatest(a, b) as e, least(a, b, id) as f,
  case when flag then case when a = 1 then 1 end else -1 end as g from t

-- functions spelled with keywords
select extract(year from d) as a, extract(epoch from iv) as b, position('a' in c) as cc,
  substring(c from 2 for 3) as d, substring(c from 'a.') as e, substring(c similar 'x#"y#"z' escape '#') as f,
  substring(c, 2) as g, overlay(c placing 'x' from 2) as h, overlay(c placing 'x' from 2 for 1) as i,
  trim(c) as j, trim(both 'x' from c) as k, trim(leading from c) as l, trim(trailing 'y' from c) as m,
  trim(c, 'z') as n, ts at time zone 'UTC' as o, (d, iv) overlaps (d, d) as p,
  collation for (c) as q, normalize(c) as r, normalize(c, nfd) as s, c is normalized as tt,
  c is not nfkc normalized as u, date_part('year', d) as v, substring(c for 2) as w, timezone('UTC', ts) as x,
  ltrim(c) as y, btrim(c, 'a') as z
from t

-- since 17: at local
select ts at local as a from t

-- since 16: system user
select system_user as a

-- functions without parentheses
select current_date as a, current_time as b, current_time(2) as c, current_timestamp as d,
  current_timestamp(0) as e, localtime as f, localtime(1) as g, localtimestamp as h,
  localtimestamp(3) as i, current_user as j, session_user as k, user as l, current_role as m,
  current_catalog as n, current_schema as o

-- function calls
select add_one(a) as a, "Weird fn"(a) as b, "Weird fn"(a, 1, 2) as c,
  "Weird fn"(a, variadic array[1, 2]) as d, "cube"(a) as f,
  make_interval(days => 3, hours := a) as g, "left"(c, 2) as h, format('%s', variadic array[c, 'x']) as i,
  concat(a, b, c) as j, int4(a) as k
from t

-- arrays
select array[1, 2, a] as a, array[[1, 2], [3, 4]] as b, array[]::text[] as c, arr[1] as d,
  arr[1:2] as e, arr[:2] as f, arr[1:] as g, arr[:] as h, (array[1, 2])[b] as i,
  grids[1] as j, (grids[1])[2] as k, arr || 5 as l, array(select id from u) as m,
  ('{{1,2},{3,4}}'::int[])[1][2] as n, ('{{1,2},{3,4}}'::int[])[1:2][2:2] as o,
  array[array[a, b], array[b, a]] as p
from t

-- composites
select row(1, 'x')::text as a, (1, a)::text as b, (p).a as c, (p).b as d, row(a, 'x')::pair as e,
  ((row(1, 'x')::pair)).b as f, t as g, t.*::t as h, (t).a as i, row()::text as j, row(a)::text as k,
  row(t.*)::text as l, array[t] as m, row_to_json(t) as n, row_to_json(t.*) as o, (t.p).a as q
from t

-- subscripts of jsonb
select j['a'] as a, j['a']['b'] as b, (j['a'])['b'] as c, j -> 'x' ->> 'y' as d, j #>> '{a,b}' as e,
  j @> '{"a": 1}' as f, j ? 'k' as g, j ?| array['k'] as h from t

-- collations
select c collate "C" as a, c < 'x' collate "C" as b, max(c collate "Mixed ""Case"" N.s"."C oll") as d
from t group by c order by c collate "POSIX"

-- whole table, star and qualified star
select * from t

-- stars of two
select t.*, u.e from t, u

-- no columns
select from t

-- quoted names
select "Or ders"."Id", "select", "a""b" as "A ""B""", "U&x" as "x.y", 1 as "order", 2 as "Üml"
from "Mixed ""Case"" N.s"."Or ders" as "Or ders" where "a""b" = 'it''s' and "U&x" > 0

-- names written with escapes
select U&"\0069d" as U&"d\0061t", "Id" as U&"!0041" uescape '!'
from t, "Mixed ""Case"" N.s"."Or ders"

-- reserved names everywhere
with "with" as (select id as "from", a as "group" from t)
select "with"."from" as "select", sum("group") over "window" as "table"
from "with" as "with" ("from", "group")
window "window" as (partition by "from" order by "group")

-- names that are keywords of a kind
select q.partition, q.cube, q.rows, q.range, q.over, q.filter, q.nulls, q.name, q.value, q.type,
  q.interval, q.time, q.operator, q.format, q.absent, q.json, q.uescape, q."values", q.coalesce
from (select 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19) as
  q(partition, cube, rows, range, over, filter, nulls, name, value, type, interval, "time",
    operator, format, absent, json, uescape, "values", "coalesce")
order by q.nulls nulls first, q.rows desc

-- aliases with columns
select x.one, x.b from t as x (one, two) where x.two > 0

-- joins
select t.id, u.e, tree.name from t join u on t.id = u.id left join tree on tree.id = u.a and tree.name <> ''

-- joins of every kind
select t.id, t2.id as id2, t3.id as id3, t4.id as id4, t5.id as id5
from t right join t t2 on t.a = t2.a full join t t3 on t.b = t3.b cross join t t4
inner join t t5 on true

-- join on a range
select t.id from t left join u on u.v between t.n and t.n + 10 or u.id is null

-- nested joins
select t.id from t join (u join tree on u.id = tree.id) on t.id = u.id

-- joins using
select id, a, c, e from t join u using (id, a, c)

-- full join using
select id, t.b, u.e from t full join u using (id)

-- join using with an alias
select k.id, k.a, t.b from t join u using (id, a) as k

-- natural join
select * from u natural join tree

-- a join with an alias
select jj.b, jj.e from (t join u using (id)) as jj

-- comma and join
select t.id from t, u left join tree on u.id = tree.id where t.id = u.id

-- self join of three
select x.id from t x, t y, t z where x.a = y.a and y.b = z.b

-- only
select id from only measures m(id)

-- partitioned
select k, sum(v) as v from measures group by k

-- samples
select k from measures_0 tablesample bernoulli (10) repeatable (1)

-- sample with an alias
select m.k from measures_0 as m tablesample system (5.5)

-- subquery in from
select q.x from (select a + 1 as x from t where b > 0 order by a limit 3) q where q.x > 2

-- subquery without an alias
select 1 as x from t where id in (select z.a from (select a from u) z)

-- since 16: subquery without an alias in from
select a from (select a from u)

-- lateral
select t.id, q.m from t, lateral (select max(v) as m from u where u.id = t.id) q

-- left lateral
select t.id, q.v from t left join lateral (select v from u where u.id = t.id order by v desc limit 2) q on true

-- functions in from
select g, x.y, o.n, o.z from generate_series(1, 3) g, rows_of(g) x, unnest(array['a', 'b']) with ordinality as o(z, n)

-- several functions in from
select r.* from rows from (generate_series(1, 3), unnest(array['a']), rows_of(2)) with ordinality as r(a, b, c, d, n)

-- a function with column definitions
select q.a, q.b from records() as q(a integer, b text collate "C")

-- functions with column definitions and more
select q.* from rows from (records() as (a integer, b text), generate_series(1, 2)) as q

-- column definitions with ordinality
select q.* from rows from (records() as (a integer, b text)) with ordinality as q(x, y, n)

-- unnest of several arrays
select q.* from unnest(array[1, 2], array['a', 'b']) as q(a, b)

-- odd functions in from
select q.*, z.*, w.* from cast('5' as integer) as q, coalesce(1, 2) as z(c), current_date w

-- set-returning in the select list
select id, generate_series(1, a) as g, unnest(arr) as e from t

-- jsonb in from
select t.id, e.key, e.value from t, jsonb_each(t.j) e where e.value is not null

-- values
values (1, 'a'), (2, 'b'), (3, null)

-- values in from
select v.k, v.name from (values (1, 'a'), (2, 'b')) as v(k, name) order by 1

-- values with order and limit
values (1, 2), (3, 4) order by 2 desc limit 1

-- exists
select id from t where exists (select 1 from u where u.id = t.id) and not exists (select from tree where parent = t.a)

-- in and not in
select id from t where a in (select a from u) and b not in (select id from u where u.c = t.c)

-- in of several columns
select id from t where (a, b) in (select u.a, u.id from u) and (a, c) not in (select id, e from u)

-- any and all over subqueries
select id from t where a > any (select a from u) and b <= all (select id from u) and a <> all (select 5)
  and c = some (select c from u) and not a = any (select 1) and (a, b) < all (select 1, 2)

-- scalar subqueries
select id, (select max(v) from u where u.id = t.id) as m, (select count(*) from tree) + 1 as n
from t where a = (select min(a) from u) order by (select 1)

-- row comparison with a subquery
select id from t where (a, b) = (select u.a, u.id from u limit 1)

-- any over an array from a subquery
select id from t where a = any ((select array[1, 2])::int[]) or b = any (array(select id from u))

-- nested subqueries
select id from t where a in (select a from u where exists (select from tree where tree.id = u.id and tree.parent = t.b))

-- aggregates
select count(*) as a, count(a) as b, sum(n) as c, avg(f) as d, min(c) as e, max(ts) as f,
  bool_and(flag) as g, every(flag) as h, stddev(n) as i, corr(a, b) as j, array_agg(a) as k,
  string_agg(c, ',') as l, json_agg(t) as m, jsonb_object_agg(id, c) as n, count(distinct a) as o,
  my_sum(a) as p, bit_or(a) as q from t

-- aggregates with everything
select c, array_agg(distinct a order by a desc nulls last) as a,
  string_agg(c, ', ' order by id, ts using >) filter (where flag) as b,
  count(*) filter (where a > 1) as d, percentile_cont(0.5) within group (order by n) as e,
  percentile_disc(array[0.1, 0.9]) within group (order by f desc) filter (where f > 0) as f,
  mode() within group (order by a) as g, rank(3) within group (order by a) as h,
  rank(1, 'x') within group (order by a, c desc) as i, count(distinct (a, b)) as j
from t group by c having count(*) > 1 and sum(a) > 10

-- since 16: any_value
select any_value(c) as a, array_agg(a order by b) as b from t

-- group by expressions and positions
select a + b as x, c, count(*) as n from t group by 1, c, (a, b) order by 3 desc, x

-- group by a key
select t.id, t.c, t.d, count(u.a) from t left join u on u.id = t.id group by t.id

-- other meaning: group by a constant
select 'x' as k, count(*) as n from t group by 'x'::text

-- group by all of them
select count(*) as n from t group by ()

-- grouping sets
select a, b, c, grouping(a, b) as g, sum(n) as s from t
group by grouping sets ((a, b), rollup (a, c), cube (b, (a, c)), ())

-- rollup and cube
select a, b, c, count(*) as n from t group by rollup (a, (b, c)), cube (a, b), "cube"(c::int)

-- since 14: group by distinct
select a, b, count(*) as n from t group by distinct rollup (a, b), rollup (a)

-- having alone
select 1 as x from t having count(*) > 0

-- windows
select id, row_number() over () as a, rank() over (order by a desc nulls first) as b,
  sum(n) over (partition by c order by id) as cc, lag(a, 2, 0) over w as d, ntile(4) over w2 as e,
  first_value(c) over (w rows between unbounded preceding and current row) as f,
  count(*) filter (where flag) over (partition by a, b) as g
from t window w as (partition by b order by id), w2 as (w)

-- window frames
select sum(a) over (order by id rows 2 preceding) as a,
  sum(a) over (order by id rows between 1 preceding and 1 following) as b,
  sum(a) over (order by id rows between current row and unbounded following) as c,
  sum(a) over (order by id range between 1 preceding and 2 following exclude current row) as d,
  sum(a) over (order by id groups between 1 following and 3 following exclude group) as e,
  sum(a) over (order by id rows between unbounded preceding and unbounded following exclude ties) as f,
  sum(a) over (order by id rows unbounded preceding exclude no others) as g,
  sum(a) over (order by d range between '1 day'::interval preceding and '1 month'::interval following) as h,
  sum(a) over (order by id range current row) as i,
  sum(a) over (order by id rows between 1 + 1 preceding and current row) as j
from t

-- windows over aggregates
select c, sum(sum(n)) over (order by c) as a, rank() over (order by count(*) desc) as b from t group by c

-- distinct
select distinct a, b from t order by b, a

-- distinct on
select distinct on (a, b + 1) a, c from t order by a, b + 1, ts desc nulls last

-- order by
select id, c from t order by c desc nulls last, id using >, length(c), 1

-- limit and offset
select id from t order by id limit 10 offset 5

-- limit all
select id from t order by id limit all offset 1

-- limit of an expression
select id from t order by id limit 1 + 1 offset (select 2)

-- fetch
select id from t order by id offset 2 rows fetch first 3 rows only

-- fetch with ties
select id, a from t order by a fetch first (1 + 2) rows with ties

-- locking
select id from t for update

-- locking of some
select t.id from t, u for share of t skip locked for key share of u nowait

-- set operations
select a from t union select a from u union all select id from tree

-- set operations with parentheses
(select a from t union all select a from u) intersect (select id from tree except all select parent from tree)

-- set operations with order and limit
(select a, c from t order by a limit 3) union all (select a, c from u order by c desc offset 1) order by 2, a limit 5

-- set operations with precedence
select a from t except select a from u intersect all select id from tree

-- set operations that change types
select 1 as x union all select 2.5 union all select null

-- set operations of values
values (1), (2) union select a from t

-- with
with x as (select a, count(*) as n from t group by a), y as materialized (select * from x where n > 1),
  z as not materialized (select 1 as q) select x.a, y.n, z.q from x join y using (a), z

-- with, nested and shadowing
with t as (select 1 as a) select a from t union all (with t as (select 2 as a) select a from t)

-- with used twice
with x as (select a from t) select x1.a from x x1, x x2 where x1.a = x2.a

-- with column names
with x(one, two) as (select a, b from t) select two from x

-- recursive
with recursive r(id, depth) as (
  select id, 0 from tree where parent is null
  union all
  select tree.id, depth + 1 from tree join r on tree.parent = r.id
) select id, depth from r

-- recursive with union
with recursive r as (select 1 as n union select n + 1 from r where n < 5) select sum(n) as s from r

-- search and cycle
with recursive r(id, parent) as (
  select id, parent from tree union all select t2.id, t2.parent from tree t2 join r on t2.parent = r.id
) search breadth first by id set ordering cycle id set is_cycle to 'Y' default 'N' using path
select id, ordering::text, is_cycle, path::text from r

-- search depth
with recursive r(id, parent) as (
  select id, parent from tree union all select t2.id, t2.parent from tree t2 join r on t2.parent = r.id
) search depth first by parent, id set seq select id from r order by seq

-- views
select o."First", o.second, v.c from over_over o join over_t v on v.total = o."First"

-- correlated three deep
select id, (select (select (select t.a + u.a + tree.id from tree limit 1) from u limit 1)) as x from t

-- many operators
select a + b - id * 2 / 3 % 5 as x, a & b | id # 3 as y, ~ a as z, a << 2 >> 1 as w, -a as v,
  f ^ 2 ^ 3 as u, !! 'a'::tsquery as tq from t

-- casts
select a::text as a, cast(c as integer) as b, (a + b)::numeric(10,2)::text as cc, -a::text::int as d,
  date '2020-01-01' as e, int8 '5' as f, c::date as g, (p).a::text as h, arr[1]::text as i, arr::text[] as k
from t

-- text search
select to_tsvector('english', c) @@ to_tsquery('a & b') as a from t

-- ranges
select r && int4range(1, 5) as a, lower(r) as b, range_agg(r) as c from t group by r

-- system columns
select ctid, tableoid::regclass::text as r, xmin::text as x from t

-- time in predicates
select id from t where ts > now() - interval '1 hour' and d <= current_date

-- needs xml: xml
select xmlelement(name "F oo", xmlattributes(a as "b c", c), 'x', x) as a, xmlconcat(x, x) as b,
  xmlforest(a, c as "d e") as cc, xmlpi(name php, 'echo') as d, xmlroot(x, version '1.0', standalone yes) as e,
  xmlroot(x, version no value, standalone no value) as f, xmlparse(document c) as g,
  xmlparse(content c preserve whitespace) as h, xmlserialize(content x as text) as i,
  x is document as k, xmlexists('//a' passing x) as l,
  xmlparse(content '<a/>') as o, xmlroot(x, version no value) as q, xmlelement(name r) as s
from t

-- needs xml: xmlagg
select xmlagg(x order by a) as m from t group by c

-- needs xml: xmltable
select t.id, q.* from t, xmltable(xmlnamespaces('http://x' as "x y", default 'http://d'), ('/r/' || c) passing t.x
  columns n for ordinality, v integer path '@v' default a not null, "W w" text) as q

-- since 16: json constructors
select json_object('a' : a, c : b null on null) as a, json_object('k' value j format json absent on null with unique keys returning jsonb) as b,
  json_array(1, a, c null on null returning jsonb) as cc, json_array() as d, json_object() as e,
  json_array(select id from u order by id) as f, json_object('{a,b}'::text[]) as g, json_array(returning jsonb) as h
from t

-- since 16: json aggregates
select b, json_objectagg(id : c absent on null with unique keys returning jsonb) as a,
  json_arrayagg(a order by id desc null on null) filter (where flag) as bb,
  json_arrayagg(c returning jsonb) as cc from t group by b

-- since 16: json aggregates as window functions
select json_arrayagg(a) over (partition by b order by id) as x, json_objectagg(id : c) over w as y from t window w as (order by a)

-- since 16: is json
select c is json as a, c is not json object as b, c is json array with unique keys as cc, c is json scalar as d, c is json value as e from t

-- since 17: json functions
select json(c) as a, json(c with unique keys) as b, json_scalar(a) as cc, json_serialize(j returning bytea) as d,
  json_exists(j, '$.a') as e, json_exists(j, '$.a ? (@ > $x)' passing a as x, b as "Y y" true on error) as f,
  json_value(j, '$.a' returning integer default 3 on empty error on error) as g,
  json_value(j, '$.a' null on empty) as h,
  json_query(j, '$.a' returning text with wrapper keep quotes) as i,
  json_query(j, '$.a' with conditional wrapper empty array on empty null on error) as k,
  json_query(j, '$.a' returning text omit quotes empty object on error) as l
from t

-- since 17: json table
select t.id, q.* from t, json_table(j, '$[*] ? (@.a > $lo)' passing a as lo
  columns (n for ordinality, a integer path '$.a' default 1 on empty error on error,
    "B b" jsonb format json path '$.b' with wrapper keep quotes, c boolean exists path '$.c' false on error, d text,
    nested path '$.d[*]' as dd columns (e integer, nested '$.f[*]' columns (g text))) error on error) as q

-- since 16: random
select random_normal() as a

-- since 18: new functions
select casefold(c) as a, array_sort(arr) as b, uuidv7() as c from t

-- unreadable: since 17: json_table with an alias's columns
select t.x from (select '[1]'::jsonb as j) s, json_table(s.j, '$[*]' columns (v integer path '$')) t (x)
