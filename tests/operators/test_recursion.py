"""Recursive queries: additions are followed, and whatever changes, the result is exact."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

SCHEMA = """
    create table edges (a integer, b integer);
    create table nodes (
        id integer primary key, parent integer, name text, size integer,
        until timestamptz default now() + random() * interval '2 s'
    );
    create table blocked (id integer primary key);
    insert into edges select nullif(i % 7, 6), i * 5 % 11 from generate_series(1, 12) i;
    insert into nodes select i, nullif(i / 3, 0), 'n' || i, i % 10 from generate_series(1, 20) i;
    insert into blocked values (3), (8);
"""

SECTIONS = [
    section.rstrip().removesuffix(";").split("\n", 1)
    for section in (Path(__file__).parent / "recursion.sql")
    .read_text("utf-8")
    .split("-- query ")[1:]
]
QUERIES = {title.split(": ")[0]: (title.split(": ")[1], query) for title, query in SECTIONS}


def change(dice: random.Random) -> str:
    a, b, id = dice.randint(0, 11), dice.randint(0, 11), dice.randint(1, 24)
    return dice.choice(
        [
            f"insert into edges values ({a}, {b})",
            f"insert into edges values ({a}, {b}), ({b}, {a}), (null, {a})",
            f"delete from edges where a = {a} and b < {b}",
            f"update edges set b = {b} where a = {a}",
            (
                f"insert into nodes values ({id}, nullif({id} / 2, {a}), 'x{id}', {b})"
                " on conflict do nothing"
            ),
            f"update nodes set parent = nullif(id / 2, {a}) where id = {id}",
            f"update nodes set size = {a}, name = name || 'y' where id = {id}",
            f"delete from nodes where id = {id} and id > 1",
            f"insert into blocked values ({a}) on conflict do nothing",
            f"delete from blocked where id > {b}",
        ]
    )


def compare(engine: Engine, name: str) -> None:
    with engine.connection.transaction():
        done = engine.refresh(f'"{name}"')
        verdict = engine.verify(f'"{name}"')
    assert done.action in ("DIFFERENTIAL", "NO_DATA"), (name, done)
    assert verdict.equal, (name, verdict.differences)


def test_recursive_queries_are_exact(engine: Engine) -> None:
    engine.connection.execute(SCHEMA)
    for name, (how, query) in QUERIES.items():
        engine.create_stream_table(f'"{name}"', query, refresh_mode="DIFFERENTIAL")
        assert how in "\n".join(engine.explain(f'"{name}"').tree), name
    dice = random.Random(7)
    for cycle in range(10):
        for _ in range(dice.randint(1, 3)):
            engine.connection.execute(change(dice))
        if cycle == 6:
            engine.connection.execute("delete from edges; delete from blocked")
        for name in QUERIES:
            compare(engine, name)


def value(engine: Engine, sql: str) -> object:
    ((found,),) = engine.connection.execute(sql)
    return found


def changes_read(engine: Engine) -> object:
    """How many changed rows the last refresh read."""
    return value(
        engine,
        "select delta_row_count from pgtrickle.pgt_refresh_history"
        " order by refresh_id desc limit 1",
    )


def test_additions_touch_what_follows_from_them_alone(engine: Engine) -> None:
    """A stream table on top gets the few rows that changed."""
    engine.connection.execute(
        "create table edges (a integer, b integer); create index on edges (a);"
        "insert into edges select i, i + 1 from generate_series(1, 200) i where i % 50 <> 0"
    )
    query = (
        "with recursive r(a, b) as (select a, b from edges"
        " union select r.a, e.b from r join edges e on e.a = r.b) select * from r"
    )
    engine.create_stream_table("closure", query, refresh_mode="DIFFERENTIAL")
    engine.create_stream_table(
        "counted", "select a, count(*) n from closure group by a", refresh_mode="DIFFERENTIAL"
    )
    engine.connection.execute("insert into edges values (300, 301), (199, 300)")
    done = engine.refresh("closure")
    assert (done.action, done.rows_deleted) == ("DIFFERENTIAL", 0)
    assert done.rows_inserted == value(engine, "select count(*) from closure where b >= 300")
    assert engine.refresh("counted").action == "DIFFERENTIAL"
    assert changes_read(engine) == done.rows_inserted
    # A removal computes the closure again; what reads it still gets the difference alone.
    engine.connection.execute("delete from edges where a = 300")
    done = engine.refresh("closure")
    assert (done.action, done.rows_inserted) == ("DIFFERENTIAL", 0)
    assert engine.refresh("counted").action == "DIFFERENTIAL"
    assert changes_read(engine) == done.rows_deleted
    assert engine.verify("closure").equal
    assert engine.verify("counted").equal


def test_a_cycle_that_only_removed_rows_reach_is_not_walked_for_ever(engine: Engine) -> None:
    """The root is gone in the same moment in which its tree becomes a cycle."""
    engine.connection.execute(
        "create table n (id integer primary key, parent integer);"
        "insert into n values (1, null), (2, 1), (3, 2)"
    )
    query = (
        "with recursive t(id) as (select id from n where parent is null"
        " union all select n.id from t join n on n.parent = t.id) select id from t"
    )
    engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    engine.connection.execute("update n set parent = 3 where id = 1")
    assert engine.refresh("st").action == "DIFFERENTIAL"
    assert engine.verify("st").equal
    assert value(engine, "select count(*) from st") == 0
    engine.connection.execute("update n set parent = null where id = 2")
    assert engine.refresh("st").action == "DIFFERENTIAL"
    assert engine.verify("st").equal


MARKS = (
    "to 'yes' default 'no'",
    "to 1.5 default 0",
    "to date '2020-01-01' default date '2021-01-01'",
    "to interval '1 day' default '2 days'",
    "to varchar(3) 'abc' default 'x'",
    "to b'101' default b'0'",
    "to 'it''s \\ USING \"x\"' default e'\\'z'",
    "to 10000000000 default 1",
    "to null default 'x'",
    "to \"char\" 'x' default 'y'",
)


def test_the_mark_of_a_cycle_is_any_constant(engine: Engine) -> None:
    """PostgreSQL itself cannot read back what it prints of them."""
    engine.connection.execute(SCHEMA)
    for i, marks in enumerate(MARKS):
        query = (
            "with recursive r(a, b) as (select a, b from edges where a < 3 union all"
            " select e.a, e.b from r join edges e on e.a = r.b)"
            f" cycle a set m {marks} using p select a, b, m from r"
        )
        engine.create_stream_table(f"st_{i}", query, refresh_mode="DIFFERENTIAL")
    for sql in ("insert into edges values (1, 3), (3, 1)", "delete from edges where b = 5"):
        engine.connection.execute(sql)
        for i in range(len(MARKS)):
            compare(engine, f"st_{i}")
