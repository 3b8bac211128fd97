"""One database, served until the worker stops."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgtrickle.engine import Engine
from pgtrickle.install import installed_version, native_extension

from . import units, work
from .cron import store_next_times
from .lanes import Lanes
from .leadership import lead
from .wal import Wal

if TYPE_CHECKING:
    from pgtrickle.engine import Refresh

    from .bell import Bell
    from .metrics import Metrics

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
BREATH = 0.02
"""Least seconds between two looks at what is due: what is due together is found together."""
LOOKED_AT = 600.0
"""Seconds for which a table may pass as idle without a closer look at what its plan relies on."""
REGROUP = 10.0
WAITS_FOR_OTHERS = 0.5
"""Seconds until a table that is due and waits for others of its group is looked at again."""
RECOMPILE = 60.0
"""Seconds until what could not be compiled is tried again."""
TIDY = 10.0
EMPTY = 30.0
WAL = 2.0
"""Seconds after which the log is decoded though nothing is due: the server can then forget it."""
HISTORY = 600.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a worker works. `poll`: seconds after which new tables, and a leader that is gone, are
    noticed; `jobs`: refreshes that go on at a time in each database."""

    poll: float = 1.0
    jobs: int = 4
    metrics: Metrics | None = None


def serve(dsn: str, bell: Bell, manner: Manner) -> None:
    """Serve until the bell rings; a lost connection is made anew, with growing pauses between."""
    failures = 0
    while not bell.rung:
        began = time.monotonic()
        try:
            with connect(dsn) as connection:
                Serving(connection, dsn, bell, manner).run()
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
        self, connection: psycopg.Connection[Any], dsn: str, bell: Bell, manner: Manner
    ) -> None:
        self.connection = connection
        self.engine = Engine(connection)
        self.bell = bell
        self.manner = manner
        self.database = connection.info.dbname
        self.wal = Wal(self.engine, dsn)
        self.lanes = Lanes(manner.jobs, lambda: connect(dsn), self._perform, bell.wake)
        self._groups: list[units.Group] = []
        self._looked_at: dict[int, float] = {}
        self._uncompiled: tuple[frozenset[int], float] = (frozenset(), 0.0)
        self._next: dict[Callable[..., object], float] = {}
        self._woken = False
        # PostgreSQL sends notifications along with answers too: a socket at rest tells nothing.
        connection.add_notify_handler(self._wake)

    def _wake(self, _notification: psycopg.Notify) -> None:
        self._woken = True

    def run(self) -> None:
        """Ends when the bell rings; raises psycopg.OperationalError when the connection is gone."""
        try:
            if self._take_the_lead():
                log.info("serving", extra={"database": self.database})
                while not self.bell.rung:
                    self.bell.sleep(self._round(), self.connection)
        finally:
            self.lanes.close()
            self.wal.close()
            self._leads(False)

    def _take_the_lead(self) -> bool:
        said = None
        while not self.bell.rung:
            if native_extension(self.engine.session) is not None:
                state = "extension_serves"
            elif installed_version(self.engine.session) is None:
                state = "not_installed"
            elif lead(self.engine.session):
                self._leads(True)
                return True
            else:
                state = "standing_by"
            if state != said:
                log.info(state, extra={"database": self.database})
                said = state
            self.bell.sleep(self.manner.poll, self.connection)
        return False

    def _leads(self, leads: bool) -> None:
        if self.manner.metrics is not None:
            self.manner.metrics.leading(self.database, leads)

    def _perform(self, engine: Engine, unit: units.Unit) -> list[Refresh]:
        return work.perform(engine, unit, self.wal, lambda: self.bell.rung)

    def _round(self) -> float:
        """Begin what there is to do; the seconds to sleep."""
        session = self.engine.session
        self._woken = False
        least = AFTER_SKIP if self._finished() else BREATH
        self._compile()
        store_next_times(session)
        self._now_and_then(self._keep_wal, WAL)
        wait = self._seconds_until_due()
        if wait <= 0:
            least = max(least, self._begin())
            wait = self._seconds_until_due()
        self._now_and_then(self._tidy, TIDY)
        self._now_and_then(work.empty_buffers, EMPTY)
        self._now_and_then(work.purge_history, HISTORY)
        if self._woken:
            return BREATH
        return max(least, min(wait, self.manner.poll))

    def _finished(self) -> bool:
        """Note what the lanes have done; whether somebody else was faster anywhere."""
        done = self.lanes.finished()
        if self.manner.metrics is not None:
            self.manner.metrics.refreshed(self.database, done)
        return any(refresh.action == "SKIP" for refresh in done)

    def _begin(self) -> float:
        """Have refreshed what is due, as far as there are lanes; least seconds to sleep then."""
        under_way = self.lanes.under_way
        now = time.monotonic()
        due = self._not_idle(units.due(self.engine.session, under_way), under_way, now)
        if not due:
            return 0.0
        self._regroup(due, now)
        todo = units.units(due, self._groups, under_way)
        allowed = [unit for unit in todo if not (unit.reads_wal and self.wal.waits)]
        begun = units.startable(allowed, under_way, self.lanes.free)
        for unit in begun:
            for table in unit.tables:
                self._looked_at[table.id] = now
            self.lanes.begin(unit)
        if len(begun) < len(todo):
            return AFTER_SKIP  # a lane that is done ends the sleep before
        return 0.0 if {one.table.id for one in due} <= units.ids(begun) else WAITS_FOR_OTHERS

    def _not_idle(
        self, due: list[units.Due], under_way: frozenset[int], now: float
    ) -> list[units.Due]:
        """What is due and may have changed; the rest is done with, all at once."""
        long_ago = {
            one.table.id
            for one in due
            if now - self._looked_at.get(one.table.id, -LOOKED_AT) >= LOOKED_AT
        }
        if len(long_ago) == len(due):
            return due
        ((passed,),) = self.engine.session.rows(
            "select pgtrickle._pass_idle(%s::bigint[])", ([*under_way, *long_ago],)
        )
        if self.manner.metrics is not None:
            self.manner.metrics.passed(self.database, passed)
        return [one for one in due if one.table.id not in set(passed)]

    def _regroup(self, due: list[units.Due], now: float) -> None:
        """Look again which tables belong together, where there may be others by now."""
        if now >= self._next.get(self._regroup, 0.0) or any(
            one.table.id not in self._looked_at for one in due
        ):
            self._groups = units.groups(self.engine.session)
            self._next[self._regroup] = now + REGROUP

    def _keep_wal(self, _engine: Engine) -> None:
        self.wal.keep()
        if self.wal.waits:
            self._next[self._keep_wal] = 0.0

    def _tidy(self, engine: Engine) -> None:
        work.tidy(engine)
        if self.manner.metrics is not None:
            self.manner.metrics.look(self.database, engine.session)

    def _seconds_until_due(self) -> float:
        rows = self.engine.session.rows(
            "select pgtrickle._seconds_until_due(%s::bigint[])", (list(self.lanes.under_way),)
        )
        return self.manner.poll if rows[0][0] is None else float(rows[0][0])

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
