"""One database, served until the worker stops."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgtrickle.engine import Engine
from pgtrickle.install import installed_version, native_extension

from . import work
from .cron import store_next_times
from .leadership import lead
from .wal import Wal

if TYPE_CHECKING:
    from .bell import Bell

APPLICATION_NAME = "pgtrickle worker"
WAKE_CHANNEL = "pgtrickle_wake"
# A peer that is gone without a word is noticed within half a minute, on both sides.
KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
SESSION = (
    "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3;"
    " set client_connection_check_interval = '10s'; set idle_session_timeout = 0;"
    f" listen {WAKE_CHANNEL}"
)
LONGEST_BACKOFF = 30.0
AFTER_SKIP = 0.1
"""Seconds until a table somebody else was refreshing is looked at again."""
RECOMPILE = 60.0
"""Seconds until what could not be compiled is tried again."""
TIDY = 10.0
WAL = 2.0
"""Seconds after which the log is decoded though nothing is due: the server can then forget it."""
HISTORY = 600.0
log = logging.getLogger(__name__)


def serve(dsn: str, bell: Bell, poll: float) -> None:
    """Serve until the bell rings; a lost connection is made anew, with growing pauses between."""
    failures = 0
    while not bell.rung:
        began = time.monotonic()
        try:
            with connect(dsn) as opened, closing(Wal(Engine(opened), dsn)) as wal:
                Serving(opened, bell, poll, wal).run()
        except psycopg.OperationalError as error:
            log.warning("connection_lost", extra=_error(error))
        except psycopg.Error as error:
            log.error("failed", extra=_error(error))
        except Exception:
            # A worker serves other databases and tables too: it reports, and begins anew.
            log.exception("unexpected_error")
        if not bell.rung:
            failures = 0 if time.monotonic() - began > LONGEST_BACKOFF else failures + 1
            bell.sleep(backoff(failures))


def connect(dsn: str) -> psycopg.Connection[Any]:
    given = conninfo_to_dict(dsn)
    defaults = {"connect_timeout": 10, "client_encoding": "utf8", **KEEPALIVES}
    options: dict[str, Any] = {**defaults, **given, "application_name": APPLICATION_NAME}
    connection: psycopg.Connection[Any] = psycopg.connect(
        make_conninfo(**options), autocommit=True, prepare_threshold=None
    )
    connection.execute(SESSION)
    return connection


def backoff(failures: int) -> float:
    """Seconds to wait: 0.1 doubled each time, at most 30, and scattered so that workers spread."""
    pause: float = 0.1 * 2 ** min(failures, 20)
    return min(pause, LONGEST_BACKOFF) * random.uniform(0.75, 1.0)


class Serving:
    """A connection's life: stand by until this worker leads, then work until it stops."""

    def __init__(
        self, connection: psycopg.Connection[Any], bell: Bell, poll: float, wal: Wal
    ) -> None:
        self.connection = connection
        self.engine = Engine(connection)
        self.wal = wal
        self.bell = bell
        self.poll = poll
        self._uncompiled: tuple[frozenset[int], float] = (frozenset(), 0.0)
        self._next: dict[Callable[..., object], float] = {}
        self._woken = False
        # PostgreSQL sends notifications along with answers too: a socket at rest tells nothing.
        connection.add_notify_handler(self._wake)

    def _wake(self, _notification: psycopg.Notify) -> None:
        self._woken = True

    def run(self) -> None:
        """Ends when the bell rings; raises psycopg.OperationalError when the connection is gone."""
        if self._take_the_lead():
            log.info("serving", extra={"database": self.connection.info.dbname})
            while not self.bell.rung:
                self.bell.sleep(self._round(), self.connection)

    def _take_the_lead(self) -> bool:
        said = None
        while not self.bell.rung:
            if native_extension(self.engine.session) is not None:
                state = "extension_serves"
            elif installed_version(self.engine.session) is None:
                state = "not_installed"
            elif lead(self.engine.session):
                return True
            else:
                state = "standing_by"
            if state != said:
                log.info(state, extra={"database": self.connection.info.dbname})
                said = state
            self.bell.sleep(self.poll, self.connection)
        return False

    def _round(self) -> float:
        """Do what there is to do; the seconds to sleep."""
        session = self.engine.session
        self._woken = False
        self._compile()
        store_next_times(session)
        busy = 0.0
        wait = self._seconds_until_due()
        if wait <= 0:
            for refresh in work.refresh_due(self.engine, self.wal):
                if refresh.action == "SKIP":
                    busy = AFTER_SKIP
                if self.bell.rung:
                    return 0.0
            store_next_times(session)
            wait = self._seconds_until_due()
        self._now_and_then(self._keep_wal, WAL)
        self._now_and_then(work.tidy, TIDY)
        self._now_and_then(work.purge_history, HISTORY)
        return 0.0 if self._woken else max(busy, min(wait, self.poll))

    def _keep_wal(self, _engine: Engine) -> None:
        self.wal.keep()

    def _seconds_until_due(self) -> float:
        rows = self.engine.session.rows("select pgtrickle._seconds_until_due()")
        return self.poll if rows[0][0] is None else float(rows[0][0])

    def _compile(self) -> None:
        """Compile what is pending; what nobody can compile is left alone for a while."""
        pending = self._pending()
        left, since = self._uncompiled
        if pending and (not pending <= left or time.monotonic() - since > RECOMPILE):
            work.compile_pending(self.engine)
            self._uncompiled = (self._pending(), time.monotonic())

    def _pending(self) -> frozenset[int]:
        rows = self.engine.session.rows("select pgt_id from pgtrickle._pending()")
        return frozenset(pgt_id for (pgt_id,) in rows)

    def _now_and_then(self, job: Callable[[Engine], object], seconds: float) -> None:
        now = time.monotonic()
        if now < self._next.get(job, 0.0):
            return
        self._next[job] = now + seconds
        try:
            job(self.engine)
        except psycopg.Error as error:
            if self.connection.closed:
                raise
            log.warning("not_tidied", extra={"job": job.__name__.strip("_"), **_error(error)})


def _error(error: psycopg.Error) -> dict[str, Any]:
    message = error.diag.message_primary or str(error).strip() or type(error).__name__
    return {"error": message, "sqlstate": error.sqlstate}
