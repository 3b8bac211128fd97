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

    def logged(self, text: str, times: int = 1, seconds: float = 20) -> None:
        """Wait until it has logged that."""
        end = time.monotonic() + seconds
        while sum(text in line for line in self.lines) < times:
            assert time.monotonic() < end, "\n".join(self.lines)
            assert self.process.poll() is None or text in "".join(self.lines), self.lines
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20) -> int:
        self.process.send_signal(number)
        status = self.process.wait(seconds)
        self._reader.join(5)
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
