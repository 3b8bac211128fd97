# ruff: noqa: E501 -- an SQL statement reads best on one line
"""Every kind of source: what stands on it is exact, and so is what stands on that, by its deltas."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server


@dataclass(frozen=True)
class Kind:
    """A relation named `source` with columns k and v; `changes` are refreshed after, one by one.

    `reason`: what the explanation of recomputation says; None where it is differential.
    """

    setup: str
    changes: tuple[str, ...]
    reason: str | None = None
    since: int = 15


WRITES = (
    "insert into source (k, v) values (100, 1), (101, 2)",
    "update source set v = v + 10 where k < 3",
    "delete from source where k % 2 = 0",
)
PLAIN = "create table source (k integer primary key, v integer)"
FILL = "; insert into source (k, v) select i, i % 3 from generate_series(1, 9) i"
PARTS = (
    "create table {0} (k integer primary key, v integer) partition by range (k);"
    "create table low partition of {0} for values from (minvalue) to (5);"
    "create table high partition of {0} for values from (5) to (maxvalue)"
)

KINDS = {
    "table": Kind(PLAIN + FILL, WRITES),
    "keyless table": Kind(
        "create table source (k integer, v integer)" + FILL + FILL,
        (*WRITES, "insert into source values (null, null), (null, null)"),
    ),
    "partitioned table": Kind(
        PARTS.format("source") + FILL,
        (*WRITES, "update source set k = k + 200 where k < 4", "delete from low; insert into high values (50, 0)"),
    ),
    "stored generated column": Kind(
        "create table source (k integer primary key, w integer, v integer generated always as (w * 2) stored);"
        "insert into source (k, w) select i, i from generate_series(1, 9) i",
        ("update source set w = w + 1 where k < 5", "delete from source where k = 1"),
    ),
    "virtual generated column": Kind(
        "create table source (k integer primary key, w integer, v integer generated always as (w * 2) virtual);"
        "insert into source (k, w) select i, i from generate_series(1, 9) i",
        ("update source set w = w + 1 where k < 5", "delete from source where k = 1"),
        "virtual generated column v",
        since=18,
    ),
    "views at any depth": Kind(
        "create table base (a integer primary key, b integer);"
        "create view v1 with (security_invoker) as select a as k, b as v from base where a > 0;"
        "create view v2 as select k, sum(v)::integer as v from v1 group by k;"
        "create view source as select * from v2 where v < 100;"
        "insert into base select i, i % 3 from generate_series(1, 9) i",
        ("insert into base values (100, 7), (-1, 1)", "update base set b = 200 where a = 2", "delete from base where a = 3"),
    ),
    "materialized view": Kind(
        "create table base (a integer primary key, b integer);"
        "insert into base select i, i % 3 from generate_series(1, 9) i;"
        "create materialized view source as select a as k, b as v from base",
        ("update base set b = 9 where a < 4; refresh materialized view source", "truncate base; refresh materialized view source"),
        "materialized view",
    ),
    "inheritance parent": Kind(
        PLAIN + FILL + "; create table child () inherits (source); insert into child values (50, 1)",
        (*WRITES, "insert into child values (60, 1)", "delete from child"),
        "inherit",
    ),
    "inheritance child": Kind(
        "create table parent (k integer, v integer); create table source () inherits (parent)" + FILL,
        (*WRITES, "delete from parent where k = 1"),
        "inherit",
    ),
    "single partition": Kind(
        PARTS.format("whole").replace("table high", "table source")
        + "; insert into whole select i, i from generate_series(1, 9) i",
        ("insert into source values (100, 1)", "update whole set v = 5 where k > 6", "delete from whole where k = 7"),
        "partition",
    ),
    "unlogged table": Kind(PLAIN.replace("table", "unlogged table") + FILL, WRITES, "unlogged"),
    "unlogged partition": Kind(
        "create table source (k integer primary key, v integer) partition by range (k);"
        "create unlogged table low partition of source for values from (minvalue) to (5);"
        "create table high partition of source for values from (5) to (maxvalue)" + FILL,
        WRITES,
        "low is an unlogged table",
    ),
    "function over a table": Kind(
        PLAIN.replace("source", "base")
        + FILL.replace("source", "base")
        + "; create function rows() returns setof base language sql stable as 'select * from base';"
        "create view source as select * from rows()",
        tuple(write.replace("source", "base") for write in WRITES),
        "function public.rows",
    ),
    "table function of a table's rows": Kind(
        "create table base (id integer primary key, n integer);"
        "create view source as select base.id * 100 + s.k as k, n as v from base cross join generate_series(1, n) s (k);"
        "insert into base select i, i % 3 from generate_series(1, 9) i",
        ("update base set n = 4 where id < 3", "insert into base values (20, 2)", "delete from base where n = 0"),
    ),
    "row security for its owner": Kind(
        PLAIN + FILL + "; alter table source enable row level security", WRITES
    ),
}  # fmt: skip


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, server_version: str) -> Kind:
    kind = KINDS[request.param]
    if kind.since > int(server_version):
        pytest.skip(f"PostgreSQL {kind.since} and later")
    return kind


def test_a_source_of_each_kind_is_followed_and_gives_deltas(engine: Engine, kind: Kind) -> None:
    engine.connection.execute(kind.setup)
    engine.create_stream_table("copy", "select k, v from source")
    engine.create_stream_table("reader", "select v, count(*) as n from copy group by v")
    status = {one.name: one for one in engine.status()}
    if kind.reason is None:
        assert status["public.copy"].refresh_mode == "DIFFERENTIAL"
        assert status["public.copy"].problem is None
    else:
        assert status["public.copy"].refresh_mode == "FULL"
        assert kind.reason in str(status["public.copy"].problem)
    assert status["public.reader"].refresh_mode == "DIFFERENTIAL"
    for change in kind.changes:
        engine.connection.execute(change)
        copy = engine.refresh("copy")
        assert copy.action in ({"FULL"} if kind.reason else {"DIFFERENTIAL", "NO_DATA"}), change
        assert engine.verify("copy").equal, change
        reader = engine.refresh("reader")
        assert reader.changes == copy.rows_inserted + copy.rows_deleted
        assert reader.action in {"DIFFERENTIAL", "NO_DATA"}
        assert engine.verify("reader").equal, change


def test_a_source_that_is_renamed_away_is_named_until_it_is_back(engine: Engine) -> None:
    engine.create_stream_table("copy", "select id, amount from orders")
    engine.connection.execute("alter table orders rename to former")
    engine.connection.execute("update former set amount = 0 where id = 1")
    for done in engine.refresh_all():
        assert done.error is not None
        assert "public.orders does not exist" in done.error
    (status,) = engine.status()
    assert status.status == "ERROR"
    engine.connection.execute("alter table former rename to orders")
    engine.refresh("copy")
    assert engine.verify("copy").equal
    assert engine.status()[0].status == "ACTIVE"
    engine.connection.execute("update orders set amount = 1 where id = 2")
    assert engine.refresh("copy").action == "DIFFERENTIAL"
    assert engine.verify("copy").equal


def test_a_partition_whose_changes_go_unseen_ends_differential_maintenance(engine: Engine) -> None:
    engine.connection.execute(
        "create table source (k integer, v integer) partition by range (k);"
        "create table low partition of source for values from (0) to (5);"
        "insert into source values (1, 1)"
    )
    engine.create_stream_table("copy", "select k, v from source")
    engine.connection.execute(
        "create unlogged table high partition of source for values from (5) to (10);"
        "insert into source values (6, 1)"
    )
    engine.refresh("copy")
    assert engine.verify("copy").equal
    engine.connection.execute(
        "insert into source values (7, 1), (2, 1); delete from high where k = 6"
    )
    engine.refresh("copy")
    assert engine.verify("copy").equal
    engine.connection.execute("drop table high")
    engine.refresh("copy")
    assert engine.verify("copy").equal


def test_what_reads_no_table_is_computed_again_and_says_so(engine: Engine) -> None:
    engine.create_stream_table("copy", "select k, k % 3 as v from generate_series(1, 9) k")
    done = engine.refresh("copy")
    assert (done.action, done.rows_inserted, done.rows_deleted) == ("FULL", 0, 0)
    assert done.reason == "the query reads no table whose changes are captured"
