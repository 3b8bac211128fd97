"""One table of queries for every operator family, kept exact through many cycles of changes.

Sources have NULL keys, duplicates without a key, rows that lose their last match while another
comes, groups that vanish and return, key updates, and several tables changed at once.
"""

from __future__ import annotations

import pytest
from tests.operators.playing import LENGTHS, keep_exact

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

QUERIES = {
    "outer joins": [
        "select o.id, c.name from o left join c on c.id=o.cust",
        "select c.id, c.name, o.id oid, o.amount from c left join o on o.cust=c.id and o.q>3",
        "select o.id, c.id cid from o full join c on c.id=o.cust",
        "select o.id, c.id cid from o right join c on c.id=o.cust",
        (
            "select c.region, count(o.id) n, sum(o.amount) s from c left join o on o.cust=c.id "
            "group by c.region"
        ),
        (
            "select a.id, b.id bid from o a left join o b on a.q < b.q and b.id between a.id "
            "and a.id+3"
        ),
        (
            "with t as (select cust, count(*) n from o group by cust) select a.cust, b.cust c2 "
            "from t a join t b on a.n=b.n and a.cust<b.cust"
        ),
        (
            "select s.region, s.n from (select region, count(*) n from c group by region) s "
            "left join r on r.v=s.n"
        ),
        (
            "select x.cust, x.tot, y.name from (select cust, sum(amount) tot from o group by "
            "cust) x full join c y on y.id=x.cust"
        ),
        (
            "select g.i, count(o.id) n from generate_series(0,6) g(i) left join o on o.q=g.i "
            "group by g.i"
        ),
    ],
    "semi and anti joins": [
        "select id from c where exists (select from o where o.cust=c.id and o.q=2)",
        "select id from c where not exists (select from o where o.cust=c.id and o.amount>5)",
        "select id from c where id in (select k from r)",
        "select id from o where cust not in (select k from r where k is not null)",
        "select id from o where cust not in (select k from r)",
        (
            "select a.id from o a where not exists (select from o b where b.cust=a.cust and "
            "b.id<>a.id and b.amount>a.amount)"
        ),
    ],
    "subqueries as values": [
        "select id, q in (select v from r where k=o.cust) m from o",
        (
            "select id, exists(select from r where r.k=o.cust) or q=3 z, case when cust = "
            "any(select k from r where v=1) then 1 else 0 end w from o"
        ),
        "select id, q > all (select v from r where r.k=o.cust) g from o",
        (
            "select id, (select sum(v) from r where r.k=o.cust) s, (select count(*) from r "
            "where r.k = o.cust) n from o"
        ),
        "select id from o where amount > (select avg(amount) from o)",
        "select id from o where q >= (select max(v) from r where r.k=o.cust)",
        "select id, (select name from c where c.id=o.cust) nm from o",
        "select id, (select region from c where c.name = 'n'||o.cust) nm from o",
        "select q, count(*) n from o group by q having count(*) > (select count(*) from r)/10",
        "select (select max(id) from o) m, (select count(*) from c) n",
        (
            "select c.id, (select count(*) from o where o.cust=c.id and exists (select from r "
            "where r.k=o.cust)) n from c"
        ),
        "select id, (q, cust) in (select v, k from r) m from o",
    ],
    "set operations": [
        "select cust from o intersect select id from c",
        "select cust from o except select k from r",
        "select q from o intersect all select v from r",
        "select q from o except all select v from r",
        "select k from r union select id from c",
    ],
    "windows": [
        (
            "select id, q, row_number() over (partition by cust order by amount, id) rn, "
            "sum(amount) over (partition by cust) s from o"
        ),
        (
            "select id, rank() over (order by amount desc) rk, lag(q) over (partition by note "
            "order by id) l from o where id<60"
        ),
        (
            "select cust, q, sum(amount) s, rank() over (partition by cust order by sum(amount) "
            "desc) rk from o group by cust, q"
        ),
        (
            "select v, sum(k) over (partition by v order by k rows between 1 preceding and "
            "current row) s from r"
        ),
        (
            "select id, amount from (select id, cust, amount, row_number() over (partition by cust "
            "order by amount desc, id) rn from o) w where rn <= 2 and amount > 1"
        ),
        (
            "select k, n + 1 as m from (select cust as k, rank() over (partition by q order by "
            "id) as n from o) w where n between 2 and 4 or k is null"
        ),
    ],
    "limits": [
        "select id, amount from o order by amount desc, id limit 5",
        "select id, amount from o order by amount desc fetch first 3 rows with ties",
        "select distinct on (cust) cust, id, amount from o order by cust, amount desc, id",
        "select distinct q, note from o order by q, note limit 4",
    ],
    "lateral": [
        (
            "select c.id, t.id tid, t.amount from c cross join lateral (select o.id, o.amount "
            "from o where o.cust=c.id order by o.amount desc, o.id limit 2) t"
        ),
        (
            "select c.id, t.n, t.s from c left join lateral (select count(*) n, sum(o.q) s from "
            "o where o.cust=c.id) t on true"
        ),
        "select o.id, t from o, unnest(o.tags) t",
        "select id, unnest(tags) t from o",
    ],
    "grouping sets": [
        (
            "select c.region, o.q, count(*) n, grouping(c.region, o.q) g from o join c on "
            "c.id=o.cust group by rollup(c.region, o.q)"
        ),
        (
            "select region, q, sum(amount) s from o join c on c.id=cust group by grouping sets "
            "((region),(q),())"
        ),
        "select cust, q, count(*) from o group by cube(cust, q)",
    ],
    "other aggregates": [
        "select count(*) n, (select min(v) from r) from o where cust is null",
        (
            "select c.name, stddev(o.amount) sd, corr(o.q, o.id) cr, string_agg(o.note, ',' "
            "order by o.note) a from c join o on o.cust=c.id group by c.name"
        ),
        (
            "select q, percentile_cont(0.5) within group (order by amount) p, max(note) m from "
            "o group by q"
        ),
    ],
    "correlated in other ways": [
        "select id, (select sum(v) from r where r.k < o.cust) s from o where id < 40",
        "select id, (select count(*) from r where r.k between o.cust and o.q) n from o",
        "select id, (select count(*) from r where r.k = o.cust or r.v = o.q) n from o",
        "select id, (select sum(r.v * o.q) from r where r.k = o.cust) s from o",
        "select id, (select sum(r.v) + o.q from r where r.k = o.cust) s from o",
        "select id, (select name from c where c.id < o.cust order by c.id desc limit 1) n from o",
        "select id, (select v from r where k is null and v > o.q order by v limit 1) n from o",
        (
            "select c.id, t.q, t.n from c, lateral (select q, count(*) n from o where o.cust "
            "= c.id "
            "group by q) t"
        ),
        (
            "select c.id, t.q, t.n from c left join lateral (select q, count(*) n from o where "
            "o.cust >= c.id group by q having count(*) > 3) t on true"
        ),
        "select c.id, t.q from c, lateral (select distinct q from o where o.cust = c.id) t",
        (
            "select c.id, t.oid, t.rk from c, lateral (select o.id oid, rank() over (order by"
            " amount,"
            " o.id) rk from o where o.cust = c.id) t where t.rk < 3"
        ),
        (
            "select c.id, t.oid from c left join lateral (select o.id oid from o where o.cust"
            " > c.id"
            " order by amount desc, o.id limit 2 offset 1) t on true"
        ),
        "select id from c where id in (select q from o where o.cust > c.id group by q)",
        "select id from c where id not in (select max(q) from o where o.cust = c.id group by note)",
        (
            "select id from c where exists (select q from o where o.cust = c.id group by q "
            "having count(*) > 2)"
        ),
        "select id from c where exists (select max(q) from o where o.cust = c.id)",
        "select id, exists (select sum(v) from r where r.k = c.id) e from c",
        "select id, array(select o.id from o where o.cust < c.id and o.q = 1 order by 1) a from c",
        (
            "select region, (select count(*) from o where o.q < length(c.region)) n from c "
            "group by region"
        ),
        (
            "select id from o where amount > (select avg(x.amount) from o x where x.cust <> o.cust "
            "and x.q = o.q)"
        ),
        (
            "select a.id, b.id bid from c a join c b on a.id < b.id and b.id < 6 where "
            "(select count(*)"
            " from o where cust between a.id and b.id) > 20"
        ),
        "select id, (select name from c where c.id = abs(o.cust) and c.id > o.q - 9) nm from o",
    ],
    "correlated aggregations in conditions": [
        "select id from c where id in (select max(q) from o where o.cust = c.id)",
        "select id from c where id not in (select max(q) from o where o.cust = c.id)",
        "select id, id > all (select min(q) from o where o.cust = c.id) g from c",
        "select id from c where exists (select from o where o.cust = c.id having count(*) > 5)",
        "select id from c where not exists (select from o where o.cust = c.id having sum(q) > 9)",
        "select id, exists (select from o where o.cust = c.id having count(*) = 0) e from c",
        (
            "select c.id, t.n from c, lateral (select count(*) n from o where cust = c.id "
            "having sum(q) > 9) t"
        ),
        (
            "select c.id, t.n from c left join lateral (select count(*) n from o where cust ="
            " c.id having sum(q) > 9) t on true"
        ),
        (
            "select c.id, t.n from c, lateral (select count(*) n from o where cust = c.id "
            "having count(*) = 0) t"
        ),
        (
            "select c.id, t.n from c join lateral (select count(*) n from o where o.cust = "
            "c.id) t on t.n > 4"
        ),
        "select o.id, t from o join lateral unnest(o.tags) t on t <> 'b'",
        "select id from o where (q, cust) < any (select v, k from r)",
        "select id from o where (q, cust) >= all (select v, k from r where k > 3)",
        "select id, (q, cust) <> all (select v, k from r where v = o.q) d from o",
        "select count(*) n from c where 3 > (select count(*) from o where o.cust = c.id)",
    ],
    "whole rows": [
        "select c from c",
        "select c.id, o from c left join o on o.cust = c.id and o.q > 3",
        "select o.id, row_to_json(c) j, to_jsonb(c) jb from o left join c on c.id = o.cust",
        "select q, count(r) n, count(r.v) d from o left join r on r.v = o.q group by q",
        "select row_to_json(s)::text j from (select k, v + 1 as w from r) s",
        "select s.k, count(s) n from (select k, sum(v) v from r group by k) s group by s.k",
        "select r, count(*) n from r group by r",
        "select distinct r from r",
        "select c.id, json_agg(o order by o.id)::text j from c, o where o.cust = c.id group by 1",
        "select id from c where c is not null",
        "select id from c where exists (select from r where r.k = c.id and c::text <> r::text)",
        "select to_jsonb(j) x from (c join r on r.k = c.id) j where j.v > 1",
        "select id, to_jsonb(r) j from o left join (select distinct k from r) r on k = cust",
        "select v from r where r not in (select x from r x where x.v > 2)",
        "select k, max(r::text) m from r group by k having count(r) > 1",
    ],
    "arrays of subqueries": [
        "select id, array(select o.id from o where o.cust = c.id order by o.id desc) a from c",
        "select id, array(select v from r where r.k = c.id and v > 0 order by v) a from c",
        "select array(select id from o where q = 2 order by id) a",
        "select array(select distinct q from o order by q) a, (select max(v) from r) m",
        "select array(select id from o order by amount desc, id limit 3) a",
        "select array(select count(*) from o group by q order by q nulls first) a",
        "select array(select k from r union select id from c order by 1) a",
        "select id, cardinality(array(select 1 from r where r.k = c.id)) n from c",
        "select id from o where q = any (array(select v from r where r.k = o.cust order by v))",
        "select q, array(select name from c where c.id = o.q order by name) a from o group by q",
        "select array(select tags from o where id < 4 order by id) a",
        "select array(select unnest(tags) from o where id < 9 order by 1) a",
    ],
    "aliases of joins": [
        "select j.id, j.name, j.amount from (o join c using (id)) as j",
        "select j.k, j.n from (o left join c on c.id = o.cust) as j (a, b, d, e, f, g, k, n, m)",
        "select j.id, j.note, c.name from (o full join r on r.k = o.q) j left join c on c.id = j.v",
        "select j.id, j.q from (o full join c using (id)) j where j.id is not null",
        "select x.id, name from o join c using (id) as x",
        (
            "select j.id, count(*) n from ((o join c using (id)) join r on r.k = c.id) as j "
            "group by j.id"
        ),
        "select id from c where exists (select from (o join r on r.k = o.q) j where j.cust = c.id)",
    ],
    "constants": [
        "values (1,'a'),(2,'b')",
    ],
}


@pytest.mark.parametrize("cycles", LENGTHS)
@pytest.mark.parametrize("family", QUERIES)
def test_a_family_of_operators_is_differential_and_exact(
    family: str, cycles: int, engine: Engine
) -> None:
    keep_exact(engine, QUERIES[family], family, cycles, recomputed=family == "constants")
