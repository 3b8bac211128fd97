"""Where a group is one left row of an outer join, the number of its matches is kept with it."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine

SCHEMA = """
    create table l (id integer primary key, k integer, code text not null unique);
    create table r (id integer primary key, l integer, code text, v integer);
"""


def keeps_matches(engine: Engine, query: str) -> bool:
    engine.connection.execute(SCHEMA)
    plan = engine.compile(query)
    assert plan.mode == "DIFFERENTIAL"
    return any("__m" in state.fill for state in plan.state)


@pytest.mark.parametrize(
    "query",
    [
        "select l.id, sum(r.v) as s from l left join r on r.l = l.id group by l.id",
        "select l.id, sum(r.v) as s from l left join r on l.id = r.l and r.v > 2 group by l.id",
        "select l.id, sum(r.v) as s from r right join l on l.id = r.l group by l.id",
        "select k, sum(v) from (select distinct id k from l) g left join r on r.l = k group by k",
    ],
)
def test_they_are_kept_where_the_groups_are_a_key_of_the_left_side(
    engine: Engine, query: str
) -> None:
    assert keeps_matches(engine, query)


@pytest.mark.parametrize(
    "query",
    [
        # A group of several left rows has the matches of all of them.
        "select l.k, sum(r.v) as s from l left join r on r.l = l.k group by l.k",
        # The condition leaves rows of the group unmatched for another reason.
        "select l.id, sum(r.v) as s from l left join r on r.l = l.id and l.k > 0 group by l.id",
        "select l.id, sum(r.v) as s from l left join r on r.l = l.id and r.v > l.k group by l.id",
        # Keys are found by a hash of all of them.
        "select l.code, sum(r.v) as s from l left join r on r.code = l.code group by l.code",
        "select l.id, l.k, sum(r.v) as s from l left join r on r.l = l.id group by l.id, l.k",
        "select l.id, sum(r.v) as s from l full join r on r.l = l.id group by l.id",
    ],
)
def test_they_are_asked_of_the_right_side_elsewhere(engine: Engine, query: str) -> None:
    assert not keeps_matches(engine, query)


@pytest.mark.parametrize(
    ("query", "netted"),
    [
        ("select l.id, r.v from l left join r on r.l = l.id", False),
        ("select x.id, r.v from l x join l on l.id = x.k left join r on r.l = l.id", False),
        ("select l.id, s.v from l left join r on r.l = l.id left join r s on s.l = r.id", True),
        ("select id from l where exists (select from r where r.l = l.id)", False),
    ],
)
def test_rows_are_netted_where_they_may_come_often(
    engine: Engine, query: str, netted: bool
) -> None:
    """By what they print, which costs more than to join them."""
    engine.connection.execute(SCHEMA)
    assert ("OVER same AS __number" in engine.compile(query).deltas["*"]) is netted
