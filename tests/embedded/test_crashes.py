"""A server is there again after anything died without a goodbye."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest
from tests.embedded.processes import end, postmaster_seen_by, use

from pgtrickle.embedded import Server, server


def _commit_a_row(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("create table kept as select 1 as a")


def _rows(dsn: str) -> object:
    with psycopg.connect(dsn) as connection:
        return connection.execute("select * from kept").fetchall()


def _kill_postmaster(killed: Server) -> None:
    pid = killed.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    # It dies a little later, and stays as a zombie where its parent does not reap it.
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)


def test_after_kill_9_of_the_postmaster(home: Path) -> None:
    first = Server(home / "s")
    first.start()
    _commit_a_row(first.dsn)
    _kill_postmaster(first)
    assert not first.status().running
    again = Server(home / "s")
    again.start()
    assert _rows(again.dsn) == [(1,)]


def test_after_kill_9_of_a_postmaster_another_process_started(home: Path) -> None:
    other = use(home / "s")
    pid = postmaster_seen_by(other)
    _kill_postmaster(Server(home / "s"))
    with server(home / "s") as again:
        assert again.status().pid != pid
        _commit_a_row(again.dsn)
        end(other)
        assert _rows(again.dsn) == [(1,)]


def test_after_kill_9_of_the_postmaster_under_a_busy_session(home: Path) -> None:
    first = Server(home / "s")
    first.start()
    _commit_a_row(first.dsn)

    def busy() -> None:
        with (
            pytest.raises(psycopg.OperationalError),
            psycopg.connect(dsn, options="-c max_parallel_workers_per_gather=0") as connection,
        ):
            connection.execute("select sum(a) from generate_series(1, 1e12) as a")

    dsn = first.dsn
    session = threading.Thread(target=busy)
    session.start()
    time.sleep(0.5)
    _kill_postmaster(first)
    first.start()
    session.join()
    assert _rows(first.dsn) == [(1,)]


def test_the_server_outlives_kill_9_of_whoever_started_it(home: Path) -> None:
    starter = use(home / "s")
    pid = postmaster_seen_by(starter)
    starter.kill()
    starter.communicate()
    with server(home / "s") as used:
        assert used.status().pid == pid
        assert psycopg.connect(used.dsn).execute("select 1").fetchone() == (1,)
    assert not used.status().running  # the dead one is no user


@pytest.mark.parametrize("moment", ["lock", "data.new-*/base", "data/PG_VERSION"])
def test_after_kill_9_in_the_middle_of_the_first_start(home: Path, moment: str) -> None:
    starter = use(home / "s")
    while not list((home / "s").glob(moment)):
        time.sleep(0.001)
    starter.kill()
    starter.communicate()
    with server(home / "s") as used:
        _commit_a_row(used.dsn)
        assert _rows(used.dsn) == [(1,)]


def _named_of_a_stranger(text: str) -> str:
    return "\n".join([str(os.getpid()), *text.splitlines()[1:]]) + "\n"


def _named_of_the_first_process(text: str) -> str:
    return "\n".join(["1", *text.splitlines()[1:]]) + "\n"


def _torn(text: str) -> str:
    return text[: len(text) // 3]


def _empty(_: str) -> str:
    return ""


@pytest.mark.parametrize(
    "spoil", [_named_of_a_stranger, _named_of_the_first_process, _torn, _empty]
)
def test_a_stale_pid_file_heals(home: Path, spoil: Callable[[str], str]) -> None:
    first = Server(home / "s")
    first.start()
    _commit_a_row(first.dsn)
    pid_file = home / "s" / "data" / "postmaster.pid"
    text = pid_file.read_text()
    first.stop()
    status = pid_file.parent.stat()
    pid_file.write_text(spoil(text))
    os.chown(pid_file, status.st_uid, status.st_gid)
    socket_lock = home / "s" / "run" / ".s.PGSQL.5432.lock"
    socket_lock.write_text(_named_of_a_stranger(text))
    os.chown(socket_lock, status.st_uid, status.st_gid)
    assert not first.status().running
    assert not first.stop()
    first.start()
    assert _rows(first.dsn) == [(1,)]
