-- Expressions and types in every place, over tables that test_expressions.py makes: k has a column of
-- each kind of type, p is partitioned with columns in different orders, d has dropped columns,
-- "We ird" names that the generated SQL has, too, wide 130 columns.

-- family strings of fixed length and bits
select c, count(*) as n from k group by c;
select c || '|' as a, c::text || '|' as b, length(c) as l, c = 'a' as e from k;
select a.id, b.id as bid from k a join k b on a.c = b.c::text and a.id < b.id;
select * from (select c, id from k) a natural join (select 'a'::text as c, 5 as z) b;
select c from k union select 'a  '::text;
select count(*) as n from (select c from k intersect select 'a '::char(8)) s;
select id, bt & b'0011' as a, bt || vb as b, substring(vb from 2) as s, bt > b'0010' as g from k;

-- family domains, enums, arrays and composites
select pi, count(distinct il) as n, max(il) filter (where pi > 1) as g from k group by pi;
select il[1] as e, il[1:1] as s, count(*) as n from k group by il[1], il[1:1];
select md, count(*) as n, max(md) as m, min(md) filter (where pi > 1) as f from k group by rollup (md);
select pr, count(*) as n from k group by pr;
select (pr).a as a, (pr).b as b, pr is null as x, pr is not null as y, pr = row(1, 'b')::pair as z from k;
select id from k where pr not in (select pr from k x where x.id > 5 and pr is not null);
select id, u.a, u.b from k left join lateral unnest(prs) u on true;
select id, row(pi, md) = row(2, 'ok'::mood) as e, row(pi, c) < row(2, 'b') as l, row(pi, null) is null as n from k;

-- family numbers
select n, count(*) as c, sum(n) as s from k group by n having sum(n) is distinct from 1;
select f, count(*) as c from k group by f;
select f from k union select n from k;
select f from k except select 0::float8;
select a.id, b.id as bid from k a join k b on a.f = b.f and a.id < b.id;
select id, n::numeric(8, 4) as m, round(n) as r, f::numeric(6, 1) as q from k where f < 'Infinity' and f > '-Infinity';

-- family times
select max(id) as i, count(*) as c, sum(iv) as s, avg(iv) as a from k group by iv;
select a.id, b.id as bid from k a join k b on a.iv = b.iv and a.id < b.id;
select d + iv as t, count(*) as c from k group by 1;
select id, sum(id) over (order by d range between '1 month' preceding and '10 days' following) as s from k;
select date_trunc('month', d) as m, extract(dow from d) as w, count(*) as n from k group by 1, 2;

-- family ranges and multiranges
select range_agg(rg) as r, range_intersect_agg(rg) as i, count(*) as n from k where not isempty(rg);
select pi, range_agg(mrg) as r from k group by pi;
select a.id, b.id as bid from k a join k b on a.rg && b.rg and a.id < b.id;
select a.id, (select count(*) from k b where b.rg @> a.id) as c from k a;
select id, rg, lower(rg) as l, mrg - int4multirange(rg) as m from k where rg is null or upper_inc(rg) or not rg -|- int4range(4, 6);

-- family json
select id, jb ->> 'a' as a, jb #> '{b,0}' as b, jb @? '$.b[*] ? (@ > 2)' as q, jsonb_path_query_array(jb, '$.b[*]') as x from k;
select jb -> 'a' as a, count(*) as n, jsonb_agg(jb -> 'b' order by id) as g from k group by jb -> 'a';
select id, e from k, jsonb_path_query(jb, '$.b[*]') e;
select id, e.key, e.value, e.o from k left join lateral jsonb_each_text(jb) with ordinality e (key, value, o) on e.value <> '1';

-- family sql/json
select id, json_value(jb, '$.a' returning integer) as v, json_query(jb, '$.b' with wrapper) as q, json_exists(jb, '$.b[1]') as e from k;
select k.id, t.o, t.v from k, json_table(jb, '$.b[*]' columns (o for ordinality, v integer path '$')) t;
select k.id, t.v from k left join json_table(jb, '$.b[*]' columns (v integer path '$')) t on t.v > 2;

-- family xml
select pi, xmlagg(xmlelement(name e, id) order by id) as x from k group by pi;
select id, xmlelement(name k, xmlattributes(pi as p), md) as x, xmlforest(n, f) as y from k;
select k.id, t.v from k, xmltable('/a/b' passing xmlelement(name a, xmlelement(name b, id), xmlelement(name b, pi)) columns v text path '.') t;

-- family functions side by side
select k.id, f.* from k left join lateral rows from (unnest(il), generate_series(1, pi), jsonb_each_text(jb)) with ordinality f (p, q, k, v, o) on true;
select k.id, f.* from k, rows from (generate_series(1, id % 3), unnest(il)) f (p, q) where f.p is distinct from f.q;
select id, generate_series(1, pi) as g, unnest(il) as u from k;

-- family partitions with columns in other orders
select region, count(*) as n, sum(v) as s from p group by region;
select p.*, x.v as xv from p left join p x on x.id = p.id + 1 and x.region > p.region;
select region, id, v, rank() over (partition by region order by v desc, id) as rk from p;

-- family dropped columns and whole rows
select a, b, c, e from d;
select d as whole, count(*) as n from d group by d;
select to_jsonb(d) as j from d where a > 1;
select x.*, g.y from d x full join gen g on g.x = x.a;
select id, (select count(*) from gen g where g.y < gen.y) as c from gen;

-- family names that the generated SQL has
select "Id", "select", "a""b" as "q""u", "__w" from "We ird";
select "select", sum("__w") as "__w", count("rn") as "rn", max(n) as n, min("v1") as "v1", sum(s) as "s" from "We ird" group by "select";
select w."Id", v1."Id" as v, w."__w", v1.n from "We ird" w left join "We ird" v1 on v1."__w" = w.rn and w.s = v1.n;
select "__w", row_number() over (partition by "__w" order by "Id") as "__matched", rank() over (order by "Id") as __total from "We ird";
select distinct on ("__w") "__w", rn, "Id" as "__number" from "We ird" order by "__w", rn, "Id";
with x__1 as (select "__w" as w from "We ird"), k__2 as (select w, count(*) as n from x__1 group by w) select a.w, b.n from x__1 a join k__2 b on a.w = b.w;
with changes_1 as (select x from gen), net as (select x, count(*) as c from changes_1 group by x) select c, x from net;

-- family merged columns
select x, y, a.id, b."Id" from (select x, y, id from gen) a full join (select n as x, s as y, "Id" from "We ird") b using (x, y);
select x, count(*) as c, max(a.id) as m from (select x, id from gen) a full join (select n as x, "Id" from "We ird") b using (x) group by x;
select * from (select id, x from gen) a natural full join (select s as x, rn from "We ird") b natural full join (select a as x, c from d) c;
select * from (select x, id from gen) a full join (select n as x, c from k) b using (x);
select x is null as z, count(*) as c from (select x, id from gen) a right join (select v as x from p) b using (x) group by 1;

-- family many columns
select * from wide;
select distinct * from wide;
select w1.id, w2.c129 from wide w1 join wide w2 on (w1.c0, w1.c1, w1.c2) = (w2.c0, w2.c1, w2.c2);
select c0, count(*) as n, max(c129) as m, row_number() over (order by count(*), c0) as r from wide group by c0;

-- family views
select x, m, c from vv;
select vo.a, vo.n, (select count(*) from vc where vc.pi = vo.n) as k from vo;
