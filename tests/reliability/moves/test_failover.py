"""The primary dies, a standby is promoted, and a worker that knows both goes on."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from tests.conftest import PROGRAMS, SETTINGS
from tests.reliability.moves.standby import base_backup
from tests.reliability.soundness import assert_heals
from tests.worker.conftest import SOURCE, Worker, start_worker
from tests.worker.test_worker import wait_until

import pgtrickle
from pgtrickle.embedded import Server
from pgtrickle.engine import Engine

__all__ = ["start_worker"]

QUERIES = {
    "rows": "select id, v from src where v % 2 = 0",
    "sums": "select v % 7 as k, count(*) as n, sum(id) as total from src group by 1",
    "most": "select max(n) as n from sums",
}


@pytest.fixture
def pair(servers_directory: Path) -> Iterator[tuple[Server, Server]]:
    """A primary with stream tables, and a standby that follows it."""
    primary = Server(
        servers_directory / "failing", postgres=PROGRAMS, settings={**SETTINGS, "fsync": "on"}
    )
    primary.start()
    with pgtrickle.connect(str(primary.status().dsn)) as engine:
        engine.install()
        engine.connection.execute(SOURCE)
        for name, query in QUERIES.items():
            engine.create_stream_table(name, query, schedule="1s")
    standby = base_backup(primary, servers_directory / "following", standby=True)
    standby.start()
    yield primary, standby
    for server in (primary, standby):
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)


def of_both(primary: Server, standby: Server) -> str:
    """Whichever of them can be written to."""
    places = [conninfo_to_dict(str(server.status().dsn)) for server in (standby, primary)]
    return make_conninfo(
        **{
            **places[0],
            "host": ",".join(str(place["host"]) for place in places),
            "port": ",".join(str(place["port"]) for place in places),
            "target_session_attrs": "read-write",
        }
    )


class Writer:
    """A session that writes until the server is gone."""

    def __init__(self, dsn: str) -> None:
        self.written = threading.Event()
        self._thread = threading.Thread(target=self._write, args=(dsn,))
        self._thread.start()

    def _write(self, dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as session:
            try:
                for number in range(1_000_000):
                    session.execute(
                        "insert into src values (%s, %s)", (number, number * 7919 % 1000)
                    )
                    session.execute("update src set v = v + 1 where id %% 5 = %s", (number % 5,))
                    session.execute("delete from src where id = %s", (number - 50,))
                    if number == 200:
                        self.written.set()
            except psycopg.OperationalError:
                return

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()


def kill(server: Server) -> None:
    pid = server.status().pid
    assert pid is not None
    postmaster = psutil.Process(pid)
    postmaster.kill()
    postmaster.wait(30)


def exact(engine: Engine) -> None:
    for name in QUERIES:
        verdict = engine.verify(name)
        assert verdict.equal, verdict


@pytest.mark.slow
def test_a_worker_goes_on_with_the_standby_that_was_promoted(
    pair: tuple[Server, Server], start_worker: Callable[..., Worker]
) -> None:
    primary, standby = pair
    after = str(standby.status().dsn)
    worker = start_worker("--dsn", of_both(primary, standby), "--poll", "0.2")
    worker.logged("event=serving")
    writer = Writer(str(primary.status().dsn))
    assert writer.written.wait(60)
    kill(primary)
    writer.join()
    worker.logged("event=connection_lost")
    with psycopg.connect(after, autocommit=True) as session:
        session.execute("select pg_promote()")
    worker.logged("event=serving", times=2, seconds=60)
    with pgtrickle.connect(after) as engine:
        engine.connection.execute("insert into src values (-1, 2), (-2, 4)")
        wait_until(engine, "select count(*)::int from rows where id < 0", 2, seconds=60)
        # What it had not consumed was in the buffers that were copied with the rest.
        assert (
            engine.session.rows(
                "select reason from pgtrickle.pgt_refresh_history where action = 'REINITIALIZE'"
            )
            == []
        )
        assert worker.stop() == 0
        engine.refresh_all()
        exact(engine)
        assert_heals(engine)
