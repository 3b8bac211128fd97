"""Tables for the operators, and many cycles of changes to them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from pgtrickle.engine import Engine

LENGTHS = [4, pytest.param(12, marks=pytest.mark.slow)]
"""Cycles of changes that a family is followed through."""

SCHEMA = """
    create table c (id integer primary key, name text not null, region text);
    create table o (
        id integer primary key, cust integer, amount numeric(10, 2), q integer, note text,
        tags text[]
    );
    create table r (k integer, v integer);
    create view per_key as select k, count(v) as n from r where v in (select q from o) group by k;
    insert into c
        select i, 'n' || i, case when i % 3 <> 0 then 'r' || i % 3 end
        from generate_series(1, 20) i;
    insert into o
        select i, nullif(1 + i % 25, 25), (i * 7 % 100) / 10.0, i % 7,
            case when i % 4 = 0 then 'x' || i % 9 end, array['a' || i % 3, 'b']
        from generate_series(1, 200) i;
    insert into r select nullif(i % 12, 0), i % 5 from generate_series(1, 40) i;
"""


def change(engine: Engine, dice: random.Random) -> None:
    """One statement, or two, of many kinds."""
    a, b = dice.randint(1, 220), dice.randint(1, 24)
    engine.connection.execute(
        dice.choice(
            [
                (
                    f"insert into o select i, nullif({b}, 24), i % 9 + 0.5, i % 5, 'k' || i % 3,"
                    f" array['z'] from generate_series({a * 1000}, {a * 1000 + 5}) i"
                    " on conflict do nothing"
                ),
                f"delete from o where id between {a} and {a + 5}",
                f"update o set amount = amount + 1, q = q + 1 where id between {a} and {a + 7}",
                f"update c set region = 'r' || {b % 4} where id = {b}",
                f"delete from c where id = {b}",
                f"insert into c values ({b}, 'n{b}', null) on conflict do nothing",
                (
                    f"update o set amount = 6 where cust = {b};"
                    f" update o set cust = {b}, note = null where id = {a}"
                ),
                f"update o set id = - id where id between {a} and {a + 2}",
                f"delete from r where k = {b}",
                f"insert into r values ({b % 13}, {a % 6}), (null, {a % 6})",
                (
                    f"update r set k = nullif(k + 1, 12) where v = {a % 6};"
                    " delete from r where k is null and v = 0"
                ),
            ]
        )
    )


def families(name: str) -> dict[str, list[str]]:
    """The queries of a file beside this one, by family."""
    text = (Path(__file__).parent / name).read_text("utf-8")
    sections = (section.split("\n", 1) for section in text.split("-- family ")[1:])
    return {
        family: [line.removesuffix(";") for line in queries.splitlines() if line.endswith(";")]
        for family, queries in sections
    }


def keep_exact(
    engine: Engine, queries: Sequence[str], seed: str, cycles: int, *, recomputed: bool = False
) -> None:
    """Stream tables of the queries follow many cycles of changes by their deltas, and are exact."""
    engine.connection.execute(SCHEMA)
    tables = {f"st_{i}": query for i, query in enumerate(queries)}
    for table, query in tables.items():
        engine.create_stream_table(table, query, refresh_mode="DIFFERENTIAL")
    dice = random.Random(seed)
    for cycle in range(cycles):
        for _ in range(dice.randint(1, 5)):
            change(engine, dice)
        if cycle == cycles // 2:
            engine.connection.execute("delete from r; delete from c where id > 5")
        if cycle == cycles * 2 // 3:
            engine.connection.execute(
                "insert into r select nullif(i % 12, 0), i % 5 from generate_series(1, 40) i;"
                "insert into c select i, 'n' || i, 'r1' from generate_series(6, 20) i"
                " on conflict do nothing"
            )
        for table, query in tables.items():
            done = engine.refresh(table)
            expected = ("DIFFERENTIAL", "NO_DATA", "FULL" if recomputed else "")
            assert done.action in expected, (cycle, query, done)
            verdict = engine.verify(table)
            assert verdict.equal, (cycle, query, verdict.differences)
