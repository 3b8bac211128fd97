"""Writers and refreshers at once: at every checkpoint, and at the end, no row is lost or doubled.

A checkpoint refreshes and compares in one REPEATABLE READ transaction, so at one snapshot, while
everything else goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import Random

import psycopg
import pytest
from tests.concurrency.writing import SCHEMA, STREAM_TABLES, Traffic, write

import pgtrickle
from pgtrickle.engine import Engine, RefreshFailed

WRITERS = 4


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    with pgtrickle.connect(database) as engine:
        engine.install()
        engine.connection.execute(SCHEMA)
        for name, query in STREAM_TABLES.items():
            assert engine.compile(query).mode == "DIFFERENTIAL"
            engine.create_stream_table(name, query, refresh_mode="DIFFERENTIAL")
        yield engine


def refresh_one(session: psycopg.Connection, random: Random) -> str:
    """A refresh by hand, in READ COMMITTED, sometimes after changes of its own."""
    with session.transaction():
        if random.random() < 0.2:
            session.execute("insert into entry values (7, 1.5, 'own'), (8, 2.5, 'own')")
        chosen = set(random.sample(list(STREAM_TABLES), random.choice((1, 1, 2))))
        # In one order everywhere: each refresh keeps its lock until the transaction ends.
        for name in (name for name in STREAM_TABLES if name in chosen):
            Engine(session).refresh(name)
        if random.random() < 0.1:
            session.execute("update entry set amount = amount + 1 where account = 7")
    time.sleep(random.uniform(0, 0.05))
    return "refreshed one"


def checkpoint(engine: Engine, *, refreshers_wait: bool) -> str:
    """All stream tables refreshed at one snapshot and compared at it.

    Where the refreshers do not wait, one of them may have been faster: 40001.
    """
    try:
        with engine.connection.transaction():
            engine.connection.execute("set transaction isolation level repeatable read")
            if refreshers_wait:
                engine.connection.execute("lock table pgtrickle.pgt_frontiers in exclusive mode")
            for name in STREAM_TABLES:
                engine.refresh(name)
                verdict = engine.verify(name)
                assert verdict.equal, verdict
    except (psycopg.Error, RefreshFailed) as error:
        if error.sqlstate == "40001":
            return "40001"
        raise
    return "compared"


def play(engine: Engine, database: str, seconds: float, seed: int) -> None:
    traffic = Traffic(database, seed)
    workers: dict[str, Callable[[psycopg.Connection, Random], str]] = {
        f"writer {n}": write for n in range(WRITERS)
    }
    workers |= {f"refresher {n}": refresh_one for n in range(2)}
    found = {"compared": 0, "40001": 0}
    until = time.monotonic() + seconds
    with traffic.running(workers):
        while time.monotonic() < until and not traffic.errors:
            found[checkpoint(engine, refreshers_wait=False)] += 1
            time.sleep(0.1)
            found[checkpoint(engine, refreshers_wait=True)] += 1
            time.sleep(0.1)
    assert not traffic.is_stuck
    assert not traffic.errors, traffic.errors[:5]
    for name in STREAM_TABLES:
        engine.refresh(name)
        verdict = engine.verify(name)
        assert verdict.equal, verdict
    recomputed = engine.connection.execute(
        "select s.pgt_name, h.action, h.reason from pgtrickle.pgt_refresh_history h"
        " join pgtrickle.pgt_stream_tables s using (pgt_id)"
        " where h.action not in ('DIFFERENTIAL', 'NO_DATA') and h.initiated_by <> 'INITIAL'"
    ).fetchall()
    assert not recomputed
    print(f"{seconds:.0f} s, seed {seed}: checkpoints {found}, {dict(traffic.done)}")
    assert found["compared"] > seconds / 2
    assert traffic.done["refreshed one"] > seconds


def test_nothing_is_lost_or_doubled(engine: Engine, database: str) -> None:
    play(engine, database, 12, seed=1)


@pytest.mark.slow
@pytest.mark.every_server
def test_nothing_is_lost_or_doubled_in_a_minute(engine: Engine, database: str) -> None:
    play(engine, database, 60, seed=2)


@pytest.mark.soak
@pytest.mark.every_server
@pytest.mark.parametrize("seed", range(3, 8))
def test_nothing_is_lost_or_doubled_in_minutes(engine: Engine, database: str, seed: int) -> None:
    play(engine, database, 180, seed)
