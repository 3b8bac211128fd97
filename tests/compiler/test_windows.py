"""How rows of touched partitions are told apart."""

from __future__ import annotations

import re

import pytest

from pgtrickle.engine import Engine

QUERIES = {
    "window": "select *, lag(at) over (partition by person order by at, id) as before from {}",
    "first rows": "select distinct on (person) * from {} order by person, at desc, id",
    "numbered rows": (
        "select * from (select *, row_number() over (partition by person order by at, id) as n"
        " from {}) v where n <= 2"
    ),
}


@pytest.fixture
def tables(engine: Engine) -> Engine:
    engine.connection.execute(
        "create table keyed (id integer primary key, person integer, at timestamp);"
        "create table unkeyed (id integer, person integer, at timestamp)"
    )
    return engine


def printed(delta: str) -> int:
    """How many of the steps before a first look at what is kept print their rows."""
    steps = re.split(r",\n(?=\w+ AS MATERIALIZED)", delta)
    return sum("COLLATE" in step for step in steps if step[:2] in ("o_", "b_", "g_", "c_", "v_"))


@pytest.mark.parametrize("query", QUERIES)
def test_rows_with_a_key_are_not_printed(query: str, tables: Engine) -> None:
    assert printed(tables.compile(QUERIES[query].format("keyed")).deltas["0"]) == 0
    assert printed(tables.compile(QUERIES[query].format("unkeyed")).deltas["0"]) >= 2


def test_a_window_over_a_wide_table_is_exact(engine: Engine) -> None:
    """A select list has at most 1,664 items: rows are not put beside what they were."""
    columns = ", ".join(f"c{i} integer default {i}" for i in range(900))
    engine.connection.execute(
        f"create table wide (id integer primary key, person integer, {columns});"
        "insert into wide (id, person) select i, i % 5 from generate_series(1, 40) i"
    )
    query = "select *, count(*) over (partition by person) as n from wide"
    engine.create_stream_table("counted", query, refresh_mode="DIFFERENTIAL")
    engine.connection.execute("update wide set person = 3, c7 = 0 where id < 9")
    assert engine.refresh("counted").action == "DIFFERENTIAL"
    assert engine.verify("counted").equal


@pytest.mark.parametrize(
    ("condition", "one_by_one"), [("t.at <= k.at", True), ("t.id = k.id", False)]
)
def test_first_rows_by_an_inequality_are_looked_up_one_by_one(
    condition: str, one_by_one: bool, tables: Engine
) -> None:
    """As the query itself does; of equalities alone each row is in one partition."""
    first = f"(select t.id from unkeyed t where {condition} order by t.at desc, t.id limit 1)"
    plan = tables.compile(f"select k.id, {first} as before from keyed k")
    assert any("LATERAL" in state.fill for state in plan.state) == one_by_one
