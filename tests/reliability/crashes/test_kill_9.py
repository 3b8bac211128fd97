"""kill -9 of the client, its backend and the server, at random moments of everything they do.

After each: catalog, captures, triggers and state are in order, one ordinary run brings every table
up to date, and each equals its query. Orphans there may be (a capture made for a table that never
came) are gone after that run.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.conftest import PROGRAMS, SETTINGS
from tests.reliability.crashes.operations import OPERATIONS, build
from tests.reliability.crashes.victims import KILLERS, Process, wait_for_silence
from tests.reliability.soundness import assert_heals

import pgtrickle
from pgtrickle.embedded import Server
from pgtrickle.worker import work

ROUNDS = 12
DATABASE = "crashing"


@pytest.fixture(scope="module")
def crashing(servers_directory: Path) -> Iterator[Server]:
    """A server of this module's own."""
    server = Server(servers_directory / "crashing", postgres=PROGRAMS, settings=SETTINGS)
    server.start()
    with psycopg.connect(str(server.status().dsn), autocommit=True) as connection:
        connection.execute(f"create database {DATABASE}")
    with pgtrickle.connect(dsn_of(server)) as engine:
        engine.install()
        engine.connection.execute(Path(__file__).with_name("world.sql").read_text())
        build(engine)
    yield server
    server.stop()


def dsn_of(server: Server) -> str:
    dsn = server.status().dsn
    assert dsn is not None
    return make_conninfo(dsn, dbname=DATABASE)


def heal(server: Server) -> None:
    """Start the server if it is dead, and look whether all is, and becomes, as it should."""
    server.start()
    wait_for_silence(dsn_of(server))
    with pgtrickle.connect(dsn_of(server)) as engine:
        # A next run does what a worker does now and then: it also drops what has been abandoned.
        work.tidy(engine)
        assert_heals(engine)


def play(server: Server, rounds: int, seed: int) -> Counter[str]:
    """Rounds of operations, each killed at a moment drawn from how long it lasted before."""
    random = Random(seed)
    lasted = dict.fromkeys(OPERATIONS, 0.3)
    done: Counter[str] = Counter()
    killers = itertools.cycle(KILLERS)
    process: Process | None = None
    for _ in range(rounds):
        process = process or Process(dsn_of(server))
        operation, killer = random.choice(list(OPERATIONS)), next(killers)
        began = time.monotonic()
        process.begin(operation)
        if process.ended(random.uniform(0, lasted[operation])):
            lasted[operation] = time.monotonic() - began
            done["ended before"] += 1
        KILLERS[killer](process, server, random)
        process.kill()
        process = None
        try:
            heal(server)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {killer} killed in {operation}") from error
        done[killer] += 1
        done[operation] += 1
    return done


def test_everything_heals(crashing: Server) -> None:
    print(play(crashing, ROUNDS, seed=1))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 12))
def test_everything_heals_fifty_times(crashing: Server, seed: int) -> None:
    print(play(crashing, 50, seed))


def worker_rounds(server: Server, rounds: int, seed: int) -> None:
    """A worker is killed while it refreshes and compiles; another one goes on where it stood."""
    random = Random(seed)
    dsn = dsn_of(server)
    for _ in range(rounds):
        worker = subprocess.Popen(
            [sys.executable, "-m", "pgtrickle", "worker", "--dsn", dsn],
            stderr=subprocess.PIPE,
            text=True,
        )
        with pgtrickle.connect(dsn) as engine:
            assert worker.stderr is not None
            worker.stderr.readline()
            until = time.monotonic() + random.uniform(0.1, 2)
            while time.monotonic() < until:
                OPERATIONS["write"](engine)
                # By SQL alone, so that there is something to compile.
                engine.connection.execute(
                    "select pgtrickle.create_or_replace_stream_table('by_sql',"
                    " 'select region, count(*) as n from account group by region')"
                )
        worker.kill()
        worker.communicate()
        heal(server)


def test_a_worker_is_replaced(crashing: Server) -> None:
    worker_rounds(crashing, 2, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [2, 3])
def test_a_worker_is_replaced_fifty_times(crashing: Server, seed: int) -> None:
    worker_rounds(crashing, 50, seed)
