"""A service that runs: many stream tables, every mode, writers, DDL, killed workers, restarts.

While the worker is down, between two of them, everything is refreshed at one snapshot and compared
at it, with the writers going on.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import psutil
import pytest
from psycopg.errors import DeadlockDetected, SerializationFailure
from tests.conftest import PROGRAMS, SETTINGS, restart
from tests.soak.actors import RETRYABLE, Actors, definer, writer
from tests.soak.graph import Graph, make

import pgtrickle
from pgtrickle.embedded import server
from pgtrickle.engine import Engine

BUFFER_BYTES = 4 * 1024 * 1024
"""More than a source's change buffer may hold while nothing lags: segments turn at 256 kB, or,
after many changes, at up to 1 MB."""
WORKER_EVENTS = {
    "connection_lost": "the server was restarted",
    "refresh_failed": "somebody was faster; the history says what it was",
    "not_decoded": "somebody refreshed the same tables since the snapshot",
    "cdc_transition_waits": "writers of the source do not pause for long enough",
    "slot_lost": "a slot that was made while definitions changed may not be readable",
    "slot_not_created": "transactions did not end in time",
    "not_compiled": "its source was changed meanwhile",
}
"""What a worker may warn of here, and why."""


class Worker:
    """A `pgtrickle worker` that is killed at the end of its time."""

    def __init__(self, dsn: str, log: Path, *options: str) -> None:
        self.log = log
        command = [sys.executable, "-m", "pgtrickle", "worker", "--dsn", dsn]
        self.process = subprocess.Popen(
            [*command, "--log-format", "json", *options], stderr=log.open("a")
        )

    def kill(self) -> int:
        """Its memory in bytes when it was killed."""
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        memory = psutil.Process(self.process.pid).memory_info().rss
        self.process.kill()
        self.process.wait()
        return memory


@contextmanager
def worker(dsn: str, log: Path, memory: list[int], *options: str) -> Iterator[None]:
    running = Worker(dsn, log, *options)
    try:
        yield
    finally:
        memory.append(running.kill())


def create(engine: Engine, graph: Graph) -> None:
    engine.install()
    engine.connection.execute(graph.schema)
    for table in graph.stream_tables:
        if table.by_sql_alone and table.options["refresh_mode"] != "IMMEDIATE":
            named = ", ".join(f"{key} => %s" for key in table.options)
            engine.session.rows(
                f"select pgtrickle.create_stream_table(%s, %s, initialize => false, {named})",
                (table.name, table.query, *table.options.values()),
            )
        else:
            engine.create_stream_table(table.name, table.query, **table.options)


def compare(dsn: str) -> None:
    """Refresh everything at one snapshot, and compare it there."""
    with pgtrickle.connect(dsn) as engine:
        for _ in range(20):
            engine.compile_pending()
            with suppress(SerializationFailure, DeadlockDetected), engine.connection.transaction():
                engine.session.rows("set transaction isolation level repeatable read")
                # Writers of what IMMEDIATE tables read wait until it is compared.
                engine.session.rows("lock table pgtrickle.pgt_frontiers in exclusive mode")
                done = engine._refresh_in_order(None)
                # What a definition got in the way of keeps its content; so do its readers.
                current = [one.name for one in done if one.error is None and one.action != "SKIP"]
                verdicts = [engine.verify(name) for name in current]
                break
        else:
            pytest.fail("somebody was always faster")
        unexplained = [one for one in done if one.error_code not in RETRYABLE]
        if unexplained:
            pytest.fail("\n".join(map(str, unexplained)))
        differing = [verdict for verdict in verdicts if not verdict.equal]
        if differing:
            pytest.fail("\n".join(f"{one}\n{story(engine, one.name)}" for one in differing))


def story(engine: Engine, name: str) -> str:
    """How a table is maintained, and what was done to it last."""
    rows = engine.session.rows(
        "select s.defining_query, s.requested_refresh_mode, h.refresh_id, h.start_time, h.action,"
        " h.status, h.initiated_by, h.rows_inserted, h.rows_deleted, h.reason, h.error_message"
        " from pgtrickle._find(%s) s join pgtrickle.pgt_refresh_history h using (pgt_id)"
        " order by h.refresh_id desc limit 12",
        (name,),
    )
    return "\n".join(map(str, rows))


def unexplained_failures(engine: Engine) -> list[tuple[object, ...]]:
    return engine.session.rows(
        "select s.pgt_name, h.error_code, h.error_message from pgtrickle.pgt_refresh_history h"
        " join pgtrickle.pgt_stream_tables s using (pgt_id)"
        " where h.status = 'FAILED' and h.error_code <> all (%s)",
        ([code for code in RETRYABLE if code],),
    )


def inconsistent(engine: Engine) -> list[tuple[object, ...]]:
    """Refreshes that found a table other than it should be, and so healed a defect of ours."""
    return engine.session.rows(
        "select s.pgt_name, s.defining_query, h.reason from pgtrickle.pgt_refresh_history h"
        " join pgtrickle.pgt_stream_tables s using (pgt_id)"
        " where h.reason ~ 'was not in the table|applying the changes met'"
    )


def largest_buffer(engine: Engine) -> int:
    ((size,),) = engine.session.rows(
        "select coalesce(max(pg_total_relation_size(c.oid)), 0) from pg_class c"
        " where c.relnamespace = 'pgtrickle_changes'::regnamespace and c.relkind = 'r'"
    )
    return int(size)


def soak(
    directory: Path, *, sources: int, tables: int, seconds: float, lives: int, seed: int
) -> None:
    """`lives` workers one after the other, each killed; twice the server goes with one. Every other
    one refreshes on change."""
    random = Random(seed)
    graph = make(sources, tables, random)
    log = directory / "worker.log"
    memory: list[int] = []
    settings = {**SETTINGS, "wal_level": "logical", "deadlock_timeout": "200ms"}
    with server(directory / "postgres", postgres=PROGRAMS, settings=settings) as postgres:
        dsn = postgres.status().dsn
        assert dsn is not None
        with pgtrickle.connect(dsn) as engine:
            create(engine, graph)
        actors = Actors(dsn, seed)
        works = {f"writer {number}": writer(graph, 0.05) for number in range(4)}
        works["definer"] = definer(graph, max(1.0, seconds / 600))
        with actors.working(works):
            for life in range(lives):
                with worker(dsn, log, memory, *(["--on-change"] if life % 2 else [])):
                    time.sleep(seconds / lives)
                if life in (lives // 3, 2 * lives // 3):
                    restart(postgres, crash=life == lives // 3)
                compare(dsn)
        print(f"{dict(actors.done)}; memory {[size >> 20 for size in memory]} MB")
        assert not actors.errors, (len(actors.errors), actors.errors[:5])
        # What it takes is not compared: it may not have lived for long enough to have begun.
        with worker(dsn, log, []), pgtrickle.connect(dsn) as engine:
            settle(engine)
        with pgtrickle.connect(dsn) as engine:
            compare(dsn)
            assert not unexplained_failures(engine)
            assert not inconsistent(engine)
            assert largest_buffer(engine) < BUFFER_BYTES
            ((read_from_log,),) = engine.session.rows(
                "select count(*) from pgtrickle.wal_source_status() where cdc_mode = 'WAL'"
            )
            assert read_from_log > 0
            print(Counter(engine.session.rows("select action from pgtrickle.pgt_refresh_history")))
    assert max(memory) < 1.5 * min(memory), memory
    said = [json.loads(line) for line in log.read_text().splitlines()]
    warned = [one for one in said if one["level"] in ("warning", "error")]
    assert [one for one in warned if one["event"] not in WORKER_EVENTS] == []


def settle(engine: Engine, seconds: float = 600) -> None:
    """Wait until the worker alone has brought every table up to date, also on a slow machine."""
    end = time.monotonic() + seconds
    behind = "select count(*) from pgtrickle.pgt_stream_tables where status <> 'ACTIVE'"
    pending = "select coalesce(sum(pending_rows), 0) from pgtrickle.change_buffer_sizes()"
    while (left := engine.session.rows(f"select ({behind}), ({pending})")) != [(0, 0)]:
        assert time.monotonic() < end, left
        time.sleep(0.2)


@pytest.mark.slow
def test_a_service_runs_for_a_minute(servers_directory: Path) -> None:
    soak(servers_directory / "soak", sources=8, tables=32, seconds=45, lives=6, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [2])
def test_a_service_runs_for_half_an_hour(servers_directory: Path, seed: int) -> None:
    soak(
        servers_directory / f"soak-{seed}",
        sources=40,
        tables=200,
        seconds=1800,
        lives=30,
        seed=seed,
    )
