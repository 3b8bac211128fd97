"""Rows on which a query raises an error, between refreshes and at them."""

from __future__ import annotations

import psycopg
import pytest

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

QUERIES = {
    "division": "select id, 100 / x as y from t",
    "cast": "select id, s::integer as n from t",
    "condition": "select id from t where 100 / x > 3",
    "group": "select 100 / x as y, count(*) as n, sum(s::integer) as s from t group by 1",
    "join": "select t.id, u.id as other from t join u on u.id = 100 / t.x",
    "left join": "select u.id, 100 / t.x as y from u left join t on t.id = u.id",
    "window": "select id, sum(s::integer) over (partition by 100 / x order by id) as s from t",
    "limit": "select id, 100 / x as y from t order by 100 / x desc, id limit 3",
    "exists": "select id from u where exists (select from t where t.id = u.id and 100 / x > 2)",
    "set": "select unnest(s::integer[]) as n, id from (select id, '{' || s || '}' as s from t) q",
}
COME_AND_GO = {
    "deleted": ["insert into t values (50, 0, 'x')", "delete from t where id = 50"],
    "made good": ["insert into t values (50, 0, 'x')", "update t set x = 2, s = '7' where id = 50"],
    "there before": [
        "update t set x = 0, s = 'x' where id = 3",
        "update t set x = 5, s = '5' where id = 3",
    ],
    "one of two": [
        "insert into t values (50, 0, 'x'), (51, 4, '4')",
        "delete from t where id = 50",
        "delete from u where id = 4",
    ],
    "several times": [
        "insert into t values (50, 0, 'x')",
        "update t set s = 'y' where id = 50",
        "update t set id = 60 where id = 50",
        "delete from t where id = 60",
        "insert into t values (50, 1, '1')",
    ],
}


@pytest.fixture
def tables(engine: Engine) -> Engine:
    engine.connection.execute(
        "create table t (id integer primary key, x integer, s text);"
        "create table u (id integer primary key);"
        "insert into t select i, 1 + i % 7, i::text from generate_series(1, 20) i;"
        "insert into u select i from generate_series(1, 40) i"
    )
    return engine


@pytest.mark.parametrize("query", QUERIES)
def test_what_no_refresh_saw_is_no_error(query: str, tables: Engine) -> None:
    tables.create_stream_table("st", QUERIES[query], refresh_mode="DIFFERENTIAL")
    for name, changes in COME_AND_GO.items():
        for change in changes:
            tables.connection.execute(change)
        assert tables.refresh("st").action == "DIFFERENTIAL", name
        assert tables.verify("st").equal, name
        tables.connection.execute("delete from t where id >= 50")
        assert tables.refresh("st").action in ("DIFFERENTIAL", "NO_DATA")


def test_what_is_there_is_an_error_and_heals(tables: Engine) -> None:
    tables.create_stream_table("st", QUERIES["division"], refresh_mode="DIFFERENTIAL")
    tables.connection.execute("insert into t values (50, 0, '1'), (51, 2, '1')")
    with pytest.raises(psycopg.errors.DivisionByZero):
        tables.connection.execute("select pgtrickle.refresh_stream_table('st')")
    tables.connection.execute("update t set x = 4 where id = 50")
    assert tables.refresh("st").action == "DIFFERENTIAL"
    assert tables.verify("st").equal


@pytest.mark.parametrize("join", ["join", "left join"])
def test_what_is_not_joined_is_not_computed(join: str, tables: Engine) -> None:
    query = f"select u.id % 3 as k, sum(100 / t.x) as s from u {join} t on t.id = u.id group by 1"
    tables.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    tables.connection.execute("insert into t values (50, 0, 'x'), (51, 0, null), (30, 1, '1')")
    assert tables.refresh("st").action == "DIFFERENTIAL"
    assert tables.verify("st").equal


@pytest.mark.parametrize(
    "query",
    [
        (
            "select u.id % 3 as k, sum(y) as s from (select id, 100 / x as y from t) r"
            " join u on u.id = r.id group by 1"
        ),
        (
            "select u.id % 3 as k, y, count(*) as n from (select id, 100 / x as y from t) r"
            " join u on u.id = r.id group by 1, 2"
        ),
        (
            "with j as materialized (select t.id, t.x from t join u on u.id = t.id)"
            " select id from j where 100 / x > 1"
        ),
    ],
)
def test_what_a_subquery_computes_is_not_computed_of_what_is_not_joined(
    query: str, tables: Engine
) -> None:
    tables.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    for change in ("insert into t values (50, 0, 'x')", "delete from t where id = 50"):
        tables.connection.execute(change)
        assert tables.refresh("st").action == "DIFFERENTIAL"
        assert tables.verify("st").equal


def test_copies_without_a_key_are_counted(tables: Engine) -> None:
    """Of two equal rows that came and one that went, one is there."""
    tables.connection.execute("create table k (x integer, s text)")
    query = "select x, 10 / x as y, count(*) as n from k group by x"
    tables.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    tables.connection.execute(
        "insert into k values (0, null), (5, null), (5, null), (5, ''), (2, null);"
        "delete from k where x = 0;"
        "delete from k where ctid = (select min(ctid) from k where x = 5 and s is null)"
    )
    assert tables.refresh("st").action == "DIFFERENTIAL"
    assert tables.verify("st").equal
    rows = tables.connection.execute("select * from st order by 1").fetchall()
    assert rows == [(2, 5, 1), (5, 2, 2)]


def test_a_table_of_no_captured_columns_is_netted_too(tables: Engine) -> None:
    tables.create_stream_table(
        "st",
        "select count(*) as n, (select 1 / count(*) from u) as d from t",
        refresh_mode="DIFFERENTIAL",
    )
    tables.connection.execute("delete from u; insert into u values (1); insert into t values (70)")
    assert tables.refresh("st").action == "DIFFERENTIAL"
    assert tables.verify("st").equal
