"""Databases with the runtime and one source, and worker processes that serve them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tests.conftest import FreshDatabase
from tests.runtime.waiting import PATIENCE

import pgtrickle
from pgtrickle.engine import Engine

SOURCE = "create table src (id integer primary key, v integer)"


@pytest.fixture(scope="module")
def prepared(
    fresh_database: FreshDatabase, installed_template: Callable[[str], str]
) -> Iterator[Callable[[str], Engine]]:
    """A function from a server version to an engine on a database all tests of a module share."""
    known: dict[str, Engine] = {}
    with contextlib.ExitStack() as databases:

        def engine(version: str) -> Engine:
            if version not in known:
                copy = fresh_database(version, template=installed_template(version))
                dsn = databases.enter_context(copy)
                known[version] = databases.enter_context(pgtrickle.connect(dsn))
                known[version].connection.execute(SOURCE)
            return known[version]

        yield engine


@pytest.fixture
def engine(prepared: Callable[[str], Engine], server_version: str) -> Iterator[Engine]:
    """An engine whose doings are rolled back."""
    opened = prepared(server_version)
    with opened.connection.transaction(force_rollback=True):
        yield opened


@pytest.fixture
def database(installed_database: str) -> str:
    return installed_database


@pytest.fixture
def own_engine(database: str) -> Iterator[Engine]:
    """An engine on a database of this test's own."""
    with pgtrickle.connect(database) as opened:
        opened.connection.execute(SOURCE)
        yield opened


HELD = 20260101


class Held:
    """Holds up whoever calls `slow(v)` in a database, from the beginning until `let_go`."""

    def __init__(self, engine: Engine) -> None:
        self._connection = engine.connection
        self._connection.execute(f"select pg_advisory_lock({HELD})")
        self._connection.execute(
            "create function slow(integer) returns integer language plpgsql immutable as $$"
            f" begin while not pg_try_advisory_xact_lock_shared({HELD}) loop"
            " perform pg_sleep(0.01); end loop; return $1; end $$"
        )

    def wait_for(self, number: int = 1) -> None:
        """Until so many sessions of a worker are held up."""
        sleeping = (
            "select count(*) from pg_stat_activity where application_name = 'pgtrickle worker'"
            " and wait_event = 'PgSleep' and datname = current_database()"
        )
        end = time.monotonic() + PATIENCE
        while self._connection.execute(sleeping).fetchone() != (number,):
            assert time.monotonic() < end
            time.sleep(0.01)

    def let_go(self) -> None:
        self._connection.execute(f"select pg_advisory_unlock({HELD})")


@pytest.fixture
def held(own_engine: Engine) -> Held:
    return Held(own_engine)


class Worker:
    """A `pgtrickle worker` in a process of its own, and what it logged."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pgtrickle", "worker", *arguments],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())

    def logged(self, text: str, times: int = 1, seconds: float = PATIENCE) -> None:
        """Wait until it has logged that."""
        end = time.monotonic() + seconds
        while sum(text in line for line in self.lines) < times:
            assert time.monotonic() < end, "\n".join(self.lines)
            assert self.process.poll() is None or text in "".join(self.lines), self.lines
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Its exit status, once it has ended."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status


@pytest.fixture
def start_worker() -> Iterator[Callable[..., Worker]]:
    """A function that starts a worker with further arguments; killed after the test."""
    started: list[Worker] = []

    def start(*arguments: str) -> Worker:
        started.append(Worker(*arguments))
        return started[-1]

    yield start
    for worker in started:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()
        print(f"worker {worker.process.pid} logged", *worker.lines, sep="\n")
