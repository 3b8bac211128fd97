"""Every pair of things that may happen at once, interleaved step by step.

Whatever the order: each ends well or with an error that says to try again (or that the other one
has made it impossible), nobody deadlocks, readers of the stream tables wait for nobody but those
who change their columns or drop them, and afterwards all tables are right.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.conftest import FreshDatabase
from tests.reliability.interleaving.actions import (
    ACTIONS,
    BLOCKS_READERS,
    LEVELS,
    STREAM_TABLES,
    build,
    steps,
)
from tests.reliability.interleaving.driver import Step, distinct, orders, play
from tests.reliability.interleaving.outcomes import allowed
from tests.reliability.soundness import assert_heals

import pgtrickle

PAIRS = list(itertools.combinations_with_replacement(ACTIONS, 2))
RUN = f"interleaved_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"

Orders = Callable[[Sequence[Step], Sequence[Step]], list[tuple[Step, ...]]]


@pytest.fixture(scope="module")
def world(fresh_database: FreshDatabase) -> Iterator[tuple[str, dict[str, str]]]:
    """A database to be copied, and the plans of the queries that actions bring."""
    with fresh_database() as dsn:
        with pgtrickle.connect(dsn) as engine:
            plans = build(engine)
        yield dsn, plans


def overlapping(one: Sequence[Step], other: Sequence[Step]) -> list[tuple[Step, ...]]:
    """Both act before either commits."""
    return [(*one[:-1], *other[:-1], one[-1], other[-1])]


def revealing(one: Sequence[Step], other: Sequence[Step]) -> list[tuple[Step, ...]]:
    """Both act before either commits, whoever is first, and either goes through beside the other's
    old snapshot."""
    return [
        *overlapping(one, other),
        *overlapping(other, one),
        (one[0], *other, *one[1:]),
        (other[0], *one, *other[1:]),
    ]


def every(one: Sequence[Step], other: Sequence[Step]) -> list[tuple[Step, ...]]:
    """All that can make a difference."""
    return distinct(orders(one, other), keeps_snapshot="read committed" not in one[0].text)


def interleave(
    fresh_database: FreshDatabase,
    world: tuple[str, dict[str, str]],
    pair: tuple[str, str],
    level: str,
    chosen: Orders,
) -> None:
    dsn, plans = world
    one, other = (
        steps(name, session, level, number, plans)
        for number, (session, name) in enumerate(zip("ab", pair, strict=True), start=1)
    )
    template = str(conninfo_to_dict(dsn)["dbname"])
    for order in chosen(one, other):
        if pair[0] == pair[1] and order[0].session == "b":
            continue  # played with the sessions exchanged
        with fresh_database(name=RUN, template=template) as run:
            _claim(run)
            played_alone(run, pair, order)


def _claim(dsn: str) -> None:
    """A copy of a database is another one, whose captured changes would not be trusted. Here they
    may be: nothing happened in between."""
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "update pgtrickle.pgt_captures set cluster_id = pgtrickle._cluster_id();"
            "update pgtrickle.pgt_frontiers set cluster_id = pgtrickle._cluster_id()"
        )


def played_alone(dsn: str, pair: tuple[str, str], order: tuple[Step, ...]) -> None:
    named = dict(zip("ab", pair, strict=True))
    kept_out: dict[str, str] = {}
    with closing(psycopg.connect(dsn, autocommit=True)) as reader:

        def read(step: Step) -> None:
            kept_out.update(
                {table: named[step.session] for table in STREAM_TABLES if _is_closed(reader, table)}
            )

        played = play(dsn, order, after_step=read)
    assert played.code("a") in allowed(pair[0], pair[1]), played
    assert played.code("b") in allowed(pair[1], pair[0]), played
    assert not kept_out or set(pair) & set(BLOCKS_READERS), (kept_out, played)
    assert "live" not in kept_out, (kept_out, played)
    with pgtrickle.connect(dsn) as engine:
        assert_heals(engine)


def _is_closed(reader: psycopg.Connection, table: str) -> bool:
    """Whether a reader of the table would wait now, also behind somebody who waits himself."""
    try:
        with reader.transaction():
            reader.execute(f"lock table {table} in access share mode nowait")  # type: ignore[arg-type]
    except psycopg.errors.UndefinedTable:
        return False
    except psycopg.errors.LockNotAvailable:
        return True
    return False


@pytest.mark.one_in(3)
@pytest.mark.parametrize("pair", PAIRS, ids=" | ".join)
def test_at_once(
    fresh_database: FreshDatabase, world: tuple[str, dict[str, str]], pair: tuple[str, str]
) -> None:
    interleave(fresh_database, world, pair, "read committed", overlapping)


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("pair", PAIRS, ids=" | ".join)
def test_the_revealing_orders(
    fresh_database: FreshDatabase,
    world: tuple[str, dict[str, str]],
    pair: tuple[str, str],
    level: str,
) -> None:
    interleave(fresh_database, world, pair, level, revealing)


@pytest.mark.soak
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("pair", PAIRS, ids=" | ".join)
def test_every_order(
    fresh_database: FreshDatabase,
    world: tuple[str, dict[str, str]],
    pair: tuple[str, str],
    level: str,
) -> None:
    interleave(fresh_database, world, pair, level, every)
