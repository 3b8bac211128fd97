-- Recursive queries. Edges have cycles, duplicates and NULLs; a node's parent has a smaller id.

-- query closure: additions followed
with recursive r(a, b) as (select a, b from edges union select r.a, e.b from r join edges e on e.a = r.b)
select * from r;

-- query reached from roots: additions followed
with recursive r as (
select id from nodes where parent is null union select e.b from edges e, r where e.a = r.id)
select n.name, r.id from r left join nodes n using (id);

-- query tree: changes followed
with recursive t as (
select id, parent, 1 as depth, name::text as path from nodes where parent is null
union all
select n.id, n.parent, t.depth + 1, t.path || '/' || n.name from t join nodes n on n.parent = t.id)
select * from t;

-- query totals of trees: changes followed
with recursive t(root, id) as (
select id, id from nodes union all select t.root, n.id from t join nodes n on n.parent = t.id)
select t.root, count(*) as n, sum(n.size) as s from t join nodes n using (id) group by t.root;

-- query walks of bounded length: changes followed
with recursive w(a, b, l) as (
select a, b, 1 from edges union all
select w.a, e.b, l + 1 from w join edges e on e.a = w.b where l < 4)
select a, b, l, count(*) as n from w group by a, b, l;

-- query walks by value: changes followed
with recursive w(a, l) as (
select a, 1 from edges union all select e.b, l + 1 from w, edges e where e.a = w.a and l < 4)
select * from w;

-- query step with not exists: additions followed
with recursive r(a) as (
select id from nodes where parent is null
union
select e.b from r join edges e on e.a = r.a where not exists (select from blocked k where k.id = e.b))
select a from r;

-- query step with exists: additions followed
with recursive r(a) as (
select min(id) from nodes
union
select e.b from r join edges e on e.a = r.a where e.b in (select id from nodes where size > 2))
select a from r;

-- query step with a left join: changes followed
with recursive t(id, mark, depth) as (
select id, null::integer, 1 from nodes where parent is null
union all
select n.id, k.id, depth + 1 from t join nodes n on n.parent = t.id left join blocked k on k.id = n.id)
select * from t;

-- query step with an aggregate beside: changes followed
with recursive t(id, n) as (
select id, 0::bigint from nodes where parent is null
union all
select n.id, c.n from t join nodes n on n.parent = t.id
join (select parent, count(*) as n from nodes group by parent) c on c.parent = n.parent)
select * from t;

-- query step with a function: additions followed
with recursive r(a) as (
select 1 union select x from r, unnest(array[r.a + 2, r.a + 3]) x where x < (select max(id) from nodes))
select a from r;

-- query step with distinct: computed again
with recursive r(a, l) as (
select id, 1 from nodes where parent is null
union all
select distinct e.b, l + 1 from r join edges e on e.a = r.a where l < 4)
select * from r;

-- query step with a window: computed again
with recursive r(a, l) as (
select id, 1::bigint from nodes where parent is null
union all
select e.b, l + rank() over (order by e.b) from r join edges e on e.a = r.a where l < 3)
select * from r;

-- query numbers that print in several ways: computed again
with recursive r(a, x) as (
select id, 1.0 from nodes where parent is null
union
select e.b, x * 1.0 from r join edges e on e.a = r.a where x < 2)
select a, count(*) from r group by a;

-- query counting: union all
with recursive n(i) as (select 1 union all select i + 1 from n where i < 9)
select n.i, count(e.b) as n from n left join edges e on e.a = n.i group by n.i;

-- query two of them: recursive
with recursive up(id, over) as (
select id, parent from nodes where parent is not null
union all
select up.id, n.parent from up join nodes n on n.id = up.over where n.parent is not null),
near(a, b) as (select a, b from edges union select n.a, e.b from near n join edges e on e.a = n.b)
select up.id, up.over, near.b from up left join near on near.a = up.id;

-- query one above the other: additions followed
with recursive t(id) as (
select id from nodes where parent is null
union
select n.id from t join nodes n on n.parent = t.id),
r(a) as (select id from t union select e.b from r join edges e on e.a = r.a)
select * from r;

-- query used twice: additions followed
with recursive r(a, b) as (select a, b from edges union select r.a, e.b from r join edges e on e.a = r.b)
select x.a, x.b from r x join r y on x.a = y.b and x.b = y.a;

-- query in a condition: additions followed
select id, name from nodes where id in (
with recursive r(a) as (select 3 union select e.b from r join edges e on e.a = r.a) select a from r)
or not exists (
with recursive r(a) as (select 5 union select e.b from r join edges e on e.a = r.a) select a from r where a = 1);

-- query a query inside: changes followed
with recursive t(id, depth) as (
with roots as (select id from nodes where parent is null)
select id, 1 from roots
union all
select c.id, depth + 1 from t join (select id, parent from nodes where size < 8) c on c.parent = t.id)
select depth, count(*) as n from t group by depth;

-- query over time: changes followed
with recursive t(id, depth) as (
select id, 1 from nodes where parent is null
union all
select n.id, depth + 1 from t join nodes n on n.parent = t.id and n.until > now())
select * from t;

-- query search depth first that nobody reads: changes followed
with recursive t(id, name, depth) as (
select id, name, 1 from nodes where parent is null
union all
select n.id, n.name, depth + 1 from t join nodes n on n.parent = t.id)
search depth first by name set place
select id, depth from t order by place;

-- query search depth first: changes followed
with recursive t(id, name) as (
select id, name from nodes where parent is null
union all
select n.id, n.name from t join nodes n on n.parent = t.id)
search depth first by name, id set place
select id, place::text as place from t;

-- query search breadth first: changes followed
with recursive t(id, name) as (
select id, name from nodes where parent is null
union all
select n.id, n.name from nodes n, t where n.parent = t.id)
search breadth first by name set place
select id, place::text as place from t;

-- query search of a set: additions followed
with recursive t(id, size) as (
select id, size from nodes where parent is null
union
select n.id, n.size from t as found join nodes n on n.parent = found.id)
search depth first by size set place
select id, place::text as place from t;

-- query cycle: changes followed
with recursive w(a, b, l) as (
select a, b, 1 from edges
union all
select w.a, e.b, l + 1 from w join edges e on e.a = w.b where l < 4)
cycle b set looped using way
select * from (select a, b, l, looped, count(*) as n from w group by a, b, l, looped) s;

-- query cycle with a mark of its own: changes followed
with recursive w(a, b, l) as (
select a, b, 1 from edges
union all
select e.a, e.b, l + 1 from w join edges e on e.a is not distinct from w.b where l < 4)
cycle a, b set looped to 1 default 0 using way
select a, b, l, looped, way::text as way from w;

-- query cycle without any other end: additions followed
with recursive w(a, b) as (
select a, b from edges where a = 1
union
select w.a, e.b from w join edges e on e.a = w.b and e.b < 7)
cycle b set looped using way
select a, b, looped, cardinality(way) as steps from w;

-- query search and cycle: changes followed
with recursive w(a, b, l) as (
select a, b, 1 from edges where a < 3
union all
select w.a, e.b, l + 1 from w join edges e on e.a = w.b where not w.looped and l < 4)
search breadth first by a, b set place cycle a, b set looped using way
select w.b, w.l, w.place::text as place, w.way::text as way, n.name from w left join nodes n on n.id = w.b;

-- query search and cycle by the same columns: changes followed
with recursive w(a, b, l) as (
select a, b, 1 from edges where a < 3
union all
select w.a, e.b, l + 1 from w join edges e on e.a = w.b where l < 4)
search depth first by b set place cycle b set looped using way
select b, place::text as place, looped from w;
