"""Ways to die at a random moment, by kill -9."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from random import Random

import psycopg
from psycopg.conninfo import make_conninfo

from pgtrickle.embedded import Server

OPERATOR = "pgtrickle operator"


class Process:
    """A process that performs operations, until it is killed."""

    def __init__(self, dsn: str) -> None:
        self.popen = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.reliability.crashes.operations"),
                make_conninfo(dsn, application_name=OPERATOR),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self.popen.stdout is not None
        assert self.popen.stdout.readline() == "ready\n", self._said()

    def begin(self, operation: str) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(f"{operation}\n")
        self.popen.stdin.flush()

    def ended(self, seconds: float) -> bool:
        """Whether the operation is done within that time."""
        assert self.popen.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.popen.stdout, selectors.EVENT_READ)
            if not selector.select(seconds):
                return False
        if not self.popen.stdout.readline().startswith("done"):
            raise AssertionError(self._said())
        return True

    def kill(self) -> None:
        self.popen.kill()
        self.popen.communicate()

    def _said(self) -> str:
        self.popen.kill()
        return self.popen.communicate()[1]


def kill_client(process: Process, server: Server, random: Random) -> None:
    """The process that works, and not the server's side of it."""
    process.popen.kill()


def kill_backend(process: Process, server: Server, random: Random) -> None:
    """The server's process that works for it: PostgreSQL then restarts all of them."""
    with psycopg.connect(str(server.status().dsn), autocommit=True) as connection:
        row = connection.execute(
            "select pid from pg_stat_activity where application_name = %s", [OPERATOR]
        ).fetchone()
    assert row is not None
    os.kill(row[0], signal.SIGKILL)


def kill_server(process: Process, server: Server, random: Random) -> None:
    """The postmaster; its children notice by themselves."""
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while server.status().running:
        time.sleep(0.01)


KILLERS: dict[str, Callable[[Process, Server, Random], None]] = {
    "client": kill_client,
    "backend": kill_backend,
    "server": kill_server,
}


def wait_for_silence(dsn: str, seconds: float = 60) -> None:
    """Until the server answers again and nobody else is connected to the database."""
    until = time.monotonic() + seconds
    while True:
        with (
            contextlib.suppress(psycopg.OperationalError),
            psycopg.connect(dsn, autocommit=True) as connection,
        ):
            row = connection.execute(
                "select count(*) from pg_stat_activity where datname = current_database()"
                " and backend_type = 'client backend' and pid <> pg_backend_pid()"
            ).fetchone()
            if row == (0,):
                return
        assert time.monotonic() < until, "the server is silent, or sessions outlive their clients"
        time.sleep(0.02)
