# ruff: noqa: E501 -- an SQL statement reads best on one line
"""Updates of what a consumer does not read, but another one of the same source does."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.rows import tuple_row
from tests.runtime.conftest import Connect

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]

CHANGES = """values (1, 'a', 1.0, -1), (1, 'a', 1.0, 1),     -- the same again
    (2, 'a', 1.0, -1), (2, 'b', 1.0, 1),                    -- another name
    (3, 'a', 1.0, -1), (3, 'a', 1.00, 1),                   -- equal, and prints otherwise
    (4, null, 1.0, -1), (4, null, 1.0, 1),                  -- the same again
    (5, 'a', 1.0, -1), (6, 'a', 1.0, 1),                    -- another key
    (7, 'a', 1.0, -1), (7, 'b', 1.0, 1), (7, 'b', 1.0, -1), (7, 'a', 1.0, 1)"""


def test_of_a_pair_that_is_the_same_nothing_is_left(owner: Connection) -> None:
    changes = f"select * from ({CHANGES}) v (id, name, size, __pgt_weight)"
    (query,) = owner.execute(
        "select pgtrickle._paired_sql(%s, array['id', 'name', 'size'], array['id'])", [changes]
    ).fetchone()  # type: ignore[misc]
    left = owner.execute(
        f"select id, sum(__pgt_weight) as w, count(*) as n from ({query}) q group by 1 order by 1"
    ).fetchall()
    assert [tuple(row) for row in left] == [(2, 0, 2), (3, 0, 2), (5, -1, 1), (6, 1, 1), (7, 0, 4)]


@pytest.mark.parametrize(
    ("definition", "key"),
    [
        ("id int primary key, name text", ["id"]),
        ("id int, name text unique", ["name"]),
        ("id int, name text, unique (name, id)", ["id", "name"]),
        ("id int, name text, hidden int primary key", None),
        ("id int, name text", None),
    ],
)
def test_the_key_that_changes_are_paired_by(
    owner: Connection, definition: str, key: list[str] | None
) -> None:
    owner.execute(f"create table src.t ({definition})")
    owner.execute(
        "create unique index on src.t (id) where id > 0; create unique index on src.t (lower(name))"
    )
    assert owner.execute(
        "select pgtrickle._key_among('src.t'::regclass, array['id', 'name'])"
    ).fetchone() == (key,)


@pytest.mark.parametrize("key", ["primary key", "not null"])
def test_the_tables_stay_equal_to_their_queries(
    owner: Connection, connect: Connect, key: str
) -> None:
    owner.execute(f"create table src.shops (id int {key}, region text, opened numeric, note text)")
    owner.execute(
        "insert into src.shops select i, 'r' || i % 3, i / 10.0, 'x' from generate_series(1, 20) i"
    )
    owner.execute("create table src.sales (id int primary key, shop int, amount int)")
    owner.execute("insert into src.sales select i, i % 25, i from generate_series(1, 400) i")
    engine = Engine(connect("owner"))
    engine.connection.row_factory = tuple_row
    engine.create_stream_table(
        "marts.by_region",
        "select p.region, p.opened, count(*) as n, sum(s.amount) as total"
        " from src.sales s join src.shops p on p.id = s.shop group by 1, 2",
        refresh_mode="DIFFERENTIAL",
    )
    engine.create_stream_table("marts.notes", "select id, note from src.shops")
    writer = connect("writer")
    for change in (
        "update src.shops set note = note || '!'",
        "update src.shops set note = 'y', region = 'r9' where id < 5",
        "update src.shops set opened = opened * 1.0 where id between 5 and 9",
        "update src.shops set id = id + 100 where id > 18",
        "update src.shops set note = 'z'; update src.shops set region = region || '_' where id = 7; update src.shops set note = 'q'",
        "delete from src.shops where id = 3; insert into src.shops values (3, 'r9', 0.3, 'again')",
        "update src.shops set note = 'w'; update src.sales set amount = amount + 1 where id % 7 = 0",
        "truncate src.shops",
    ):
        writer.execute(change)
        done = engine.refresh("marts.by_region")
        assert done.action in ("DIFFERENTIAL", "NO_DATA") or "truncate" in change
        assert engine.verify("marts.by_region").equal, change
        engine.refresh("marts.notes")


def test_only_what_others_read_too_is_looked_at(owner: Connection, connect: Connect) -> None:
    owner.execute("create table src.shops (id int primary key, region text, note text)")
    owner.execute("insert into src.shops values (1, 'r1', 'x')")
    owner.execute("create table src.sales (id int primary key, shop int)")
    owner.execute("insert into src.sales select i, 1 from generate_series(1, 9) i")
    engine = Engine(connect("owner"))
    engine.connection.row_factory = tuple_row
    engine.create_stream_table(
        "marts.regions", "select s.id, p.region from src.sales s join src.shops p on p.id = s.shop"
    )

    def reads_less() -> object:
        return owner.execute(
            "select pgtrickle._reads_less('src.shops'::regclass, array['id', 'region'])"
        ).fetchone()

    assert reads_less() == (False,)
    engine.create_stream_table("marts.notes", "select id, note from src.shops")
    assert reads_less() == (True,)
    owner.execute("update src.shops set note = 'y'")
    assert engine.refresh("marts.regions").action == "NO_DATA"
    owner.execute("update src.shops set note = 'z', region = 'r2'")
    done = engine.refresh("marts.regions")
    assert (done.action, done.rows_inserted) == ("DIFFERENTIAL", 9)
