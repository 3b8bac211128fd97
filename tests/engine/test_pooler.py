"""Behind PgBouncer in transaction mode, where the machine has it: nothing depends on a session."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from tests.runtime.waiting import PATIENCE

import pgtrickle
from pgtrickle.engine import Engine

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not on this machine")

PORT = 6432


def account() -> str:
    """Who may enter the directory of the server's socket; PgBouncer does not run as root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    names = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture
def pooled(database: str) -> Iterator[str]:
    """The DSN of this test's database by way of a pool of three sessions."""
    server = conninfo_to_dict(database)
    place = f"host={server['host']} port={server.get('port', 5432)} user={server['user']}"
    with tempfile.TemporaryDirectory(prefix="pgbouncer-", dir="/tmp") as directory:
        settings = Path(directory) / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = {place}\n[pgbouncer]\nlisten_port = {PORT}\n"
            f"pool_mode = transaction\ndefault_pool_size = 3\nunix_socket_dir = {directory}\n"
            "auth_type = any\nlisten_addr =\nserver_reset_query =\n"
            "ignore_startup_parameters = extra_float_digits\n"
        )
        for path in (Path(directory), settings):
            shutil.chown(path, account())
        assert PGBOUNCER is not None
        as_account = ["-u", account()] if os.geteuid() == 0 else []
        with subprocess.Popen(
            [PGBOUNCER, "-q", *as_account, str(settings)], stderr=subprocess.DEVNULL
        ) as process:
            try:
                dsn = make_conninfo(database, host=directory, port=PORT)
                _wait_for(dsn)
                yield dsn
            finally:
                process.terminate()


def _wait_for(dsn: str) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn):
            return
        assert time.monotonic() < end
        time.sleep(0.1)


def test_stream_tables_live_behind_a_pool(pooled: str) -> None:
    with pgtrickle.connect(pooled) as engine:
        engine.install()
        engine.connection.execute("create table src (id integer primary key, k integer, v numeric)")
        engine.create_stream_table(
            "sums",
            "select k, sum(v) as v, count(*) as n from src group by k",
            pooler_compatibility_mode=True,
        )
        engine.create_stream_table("top", "select max(v) as v from sums")
        engine.create_stream_table(
            "now_", "select k, count(*) as n from src group by k", refresh_mode="IMMEDIATE"
        )

    def write_and_refresh(seed: int) -> None:
        with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as session:
            for number in range(15):
                with session.transaction():
                    session.execute(
                        "insert into src values (%s, %s, 1.5)", (seed * 100 + number, number % 4)
                    )
                    found = session.execute("select sum(n) from now_").fetchone()
                    there = session.execute("select count(*) from src").fetchone()
                    assert found == there
                Engine(session).refresh("sums")
                if number % 5 == 0:
                    Engine(session).refresh_all()

    failures: list[BaseException] = []

    def guarded(seed: int) -> None:
        try:
            write_and_refresh(seed)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [Thread(target=guarded, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with pgtrickle.connect(pooled) as engine:
        assert {one.error for one in engine.refresh_all()} == {None}
        assert all(engine.verify(name).equal for name in ("sums", "top", "now_"))
        assert engine.session.rows("select sum(n) from sums") == [(60,)]
