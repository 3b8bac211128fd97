"""pg_upgrade from the oldest PostgreSQL to the newest: stream tables recompute once, and go on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.conftest import OTHERS, SETTINGS
from tests.reliability.moves.world import (
    STREAM_TABLES,
    build,
    change,
    database_of,
    goes_on,
)

import pgtrickle
from pgtrickle.embedded import Server
from pgtrickle.embedded.account import Account
from pgtrickle.embedded.installation import choose
from pgtrickle.worker import work

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not OTHERS, reason="this machine has no older PostgreSQL"),
]


@pytest.fixture(params=OTHERS)
def old_version(request: pytest.FixtureRequest) -> str:
    version: str = request.param
    return version


@pytest.fixture
def old(old_version: str, servers_directory: Path) -> Iterator[Server]:
    server = Server(servers_directory / "old", postgres=OTHERS[old_version], settings=SETTINGS)
    server.start()
    with psycopg.connect(str(server.status().dsn), autocommit=True) as connection:
        connection.execute("create database moved")
    with pgtrickle.connect(database_of(server)) as engine:
        build(engine)
    server.stop()
    yield server
    server.stop()
    shutil.rmtree(server.directory, ignore_errors=True)


@pytest.fixture
def upgraded(old: Server, old_version: str, servers_directory: Path) -> Iterator[Server]:
    """The same databases in PostgreSQL 18, as pg_upgrade leaves them."""
    account = Account.for_server()
    newest = account.runnable(choose(None))
    directory = servers_directory / "upgraded"
    directory.mkdir(mode=0o711)
    account.own(directory)
    data = directory / "data"
    _run(
        account,
        directory,
        newest.program("initdb"),
        *("--pgdata", data, "--username=postgres", "--encoding=UTF8", "--locale=C"),
        *("--no-data-checksums", "--auth-local=trust"),  # as those before 18 make them
    )
    _run(
        account,
        directory,
        newest.program("pg_upgrade"),
        *("--old-bindir", OTHERS[old_version], "--new-bindir", newest.bin),
        *("--old-datadir", (old.directory / "data").resolve(), "--new-datadir", data),
        *("--username", "postgres", "--socketdir", directory),
    )
    server = Server(directory, settings=SETTINGS)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(directory, ignore_errors=True)


def _run(account: Account, directory: Path, *command: object) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=600,
        **(account.process_options() | {"cwd": directory}),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_stream_tables_go_on(upgraded: Server) -> None:
    """OIDs stay, and what transactions were visible when means nothing any more."""
    with pgtrickle.connect(database_of(upgraded)) as engine:
        work.tidy(engine)
        change(engine, 1500)  # maintains the IMMEDIATE one
        assert engine.verify("live").equal
        done = {refresh.name: refresh.action for refresh in engine.refresh_all()}
        assert done["public.kinds"] == done["public.total"] == "REINITIALIZE"
        assert len(done) == len(STREAM_TABLES)
        change(engine, 1600)
        goes_on(engine)  # what shares a source was captured anew for another one
        change(engine, 2000)
        assert set(goes_on(engine)) <= {"DIFFERENTIAL", "NO_DATA"}
        engine.connection.execute("update pgtrickle.pgt_schema_version set fingerprint = 'another'")
        assert engine.install().action == "upgraded"
        change(engine, 2001)
        assert set(goes_on(engine)) <= {"DIFFERENTIAL", "NO_DATA"}
