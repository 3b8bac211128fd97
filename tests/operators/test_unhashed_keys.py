"""Keys of types that PostgreSQL cannot hash: bit strings and money, and what is made of them."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

SCHEMA = """
    create type pair as (a bit(3), m money);
    create table t (
        id integer primary key, b bit(4), v varbit, m money, bs bit(2)[], p pair, x integer
    );
    insert into t
        select i, (i % 5)::bit(4), nullif((i % 3)::bit(4)::varbit, b'0001'), (i % 4)::money,
            array[(i % 2)::bit(2)], row((i % 2)::bit(3), (i % 2)::money)::pair, i % 3
        from generate_series(1, 15) i;
    insert into t (id) values (100), (101);
"""
QUERIES = (
    "select b, count(*) as n, bit_or(b) as o, min(m) as l from t group by b",
    "select distinct v, m from t",
    "select m, sum(m) as s, count(distinct b) as c, count(distinct v) as d from t group by m",
    "select count(distinct m) as a, count(distinct p) as c, count(distinct bs) as d from t",
    "select p, bs, count(*) as n from t group by p, bs",
    "select v, m from t intersect all select b, 2::money from t",
    "select id, count(*) over (partition by b, m order by x) as c from t",
    "select distinct on (b) b, id from t order by b, id desc",
    "select id from t where b not in (select b from t x where x.id > t.id and b is not null)",
    "select id, (select count(*) from t x where x.m = t.m and x.v < t.v) as c from t",
    "select b, m, v, grouping(b, m) as g, count(*) as n from t group by rollup (b, m, v)",
)
CHANGES = (
    "update t set b = b'0001', m = 9 where id % 4 = 1",
    "delete from t where x = 1; update t set v = b'1', bs = null where id % 3 = 0",
    "insert into t select id + 50, b, v, m, bs, null, x from t where id < 60",
    "delete from t where b = b'0001' or b is null",
)


def test_rows_are_grouped_matched_and_ordered_by_them(engine: Engine) -> None:
    engine.connection.execute(SCHEMA)
    for i, query in enumerate(QUERIES):
        engine.create_stream_table(f"st_{i}", query, refresh_mode="DIFFERENTIAL")
    for change in CHANGES:
        engine.connection.execute(change)
        for i, query in enumerate(QUERIES):
            assert engine.refresh(f"st_{i}").action == "DIFFERENTIAL", query
            verdict = engine.verify(f"st_{i}")
            assert verdict.equal, (query, change, verdict.differences)
