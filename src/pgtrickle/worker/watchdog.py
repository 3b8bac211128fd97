"""Connections whose answers never come, though nothing tells that they are lost.

Keepalives find a peer that is gone. They do not find what lies between: a proxy or balancer that
forgot a connection answers them, and passes nothing on. So where an answer is waited for, the
server is asked, over a new connection, what the session does. One that has been at rest for as long
as its answer is awaited has answered into the void, or was never asked; its connection is broken
off, so that whoever waits for it makes another. However long a statement takes that is really
under way, it is left alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import TransactionStatus

from .connection import connect
from .logs import fields_of

if TYPE_CHECKING:
    from typing_extensions import Self

LOOK = 5.0
"""Seconds between two looks: an answer that is awaited at both is asked for."""
ANSWER = 10.0
"""Seconds for which the server's word is waited for."""
SESSIONS = (
    "select a.pid, pg_catalog.concat(a.backend_start, ' ', a.state_change), a.state like 'idle%%'"
    " from pg_catalog.pg_stat_activity a where a.pid = any (%s)"
)
log = logging.getLogger(__name__)
Connection = psycopg.Connection[Any]


def break_off(connection: Connection) -> None:
    """End a connection under whoever waits for it, in another thread: he finds it lost."""
    with contextlib.suppress(OSError, psycopg.Error):
        if not connection.closed:
            with socket.socket(fileno=os.dup(connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True)
class Waiting:
    """An answer that is awaited. `rest` names the rest at which the server has last said its
    session to be; None is at work."""

    rest: str | None = None


class Watchdog:
    """Makes a worker's connections to one database, and watches over them while it is entered."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        # With the processes of their sessions, once these have told: a pooler tells another.
        self._connections: weakref.WeakKeyDictionary[Connection, int | None] = (
            weakref.WeakKeyDictionary()
        )
        self._lock = threading.Lock()
        self._waiting: dict[Connection, Waiting] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"{threading.current_thread().name}-watchdog", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()  # it may be waiting for a server that is not there, and ends after that

    def connect(self) -> Connection:
        connection = connect(self._dsn, self._watch)
        row = connection.execute("select pg_catalog.pg_backend_pid()").fetchone()
        self._watch(connection, None if row is None else int(row[0]))
        return connection

    def _watch(self, connection: Connection, pid: int | None = None) -> None:
        with self._lock:
            self._connections[connection] = pid

    def _run(self) -> None:
        while not self._closing.wait(LOOK):
            self._look()

    def _look(self) -> None:
        try:
            self._find_lost()
        except psycopg.Error as error:
            log.warning("answers_awaited", extra=fields_of(error))
        except Exception:
            log.exception("unexpected_error")

    def _find_lost(self) -> None:
        awaited = self._awaited()
        before = self._waiting
        self._waiting = {each: before.get(each, Waiting()) for each in awaited}
        doubtful = {each: awaited[each] for each in awaited if each in before}
        if not doubtful:
            return
        said = self._sessions([pid for pid in doubtful.values() if pid is not None])
        for connection, pid in doubtful.items():
            waiting = self._waiting[connection]
            # One that has not told its number has been asked for nothing but that.
            session, rests = said.get(pid, ("gone", True))
            if not rests or session != waiting.rest:
                waiting.rest = session if rests else None
                continue
            log.warning("answer_lost", extra={"session": pid})
            break_off(connection)

    def _awaited(self) -> dict[Connection, int | None]:
        """Connections over which an answer is awaited, and their sessions' processes."""
        with self._lock:
            connections = dict(self._connections)
        return {
            connection: pid
            for connection, pid in connections.items()
            if not connection.closed
            and connection.pgconn.transaction_status == TransactionStatus.ACTIVE
        }

    def _sessions(self, pids: list[int]) -> dict[int | None, tuple[str, bool]]:
        """What sessions are at, by their process: since when, and whether it is nothing."""
        timers: list[threading.Timer] = []

        def limit(connection: Connection) -> None:
            timers.append(threading.Timer(ANSWER, break_off, [connection]))
            timers[0].start()

        try:
            with contextlib.closing(connect(self._dsn, limit)) as asking:
                rows = asking.execute(SESSIONS, (pids,)).fetchall()
        finally:
            for timer in timers:
                timer.cancel()
        return {pid: (since, bool(rests)) for pid, since, rests in rows}
