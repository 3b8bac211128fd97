"""One database, served until the worker stops."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from pgtrickle.engine import Engine
from pgtrickle.install import installed_version, native_extension

from . import units, work
from .backoff import LONGEST, SOMEBODY_ELSE, Resting, backoff
from .changes import TICK, Changes
from .chores import Chore, Chores
from .connection import LED
from .cron import store_next_times
from .lanes import Lanes
from .leadership import lead, leader
from .logs import fields_of
from .wal import Wal
from .watchdog import Watchdog

if TYPE_CHECKING:
    from pgtrickle.engine import Refresh

    from .bell import Bell
    from .metrics import Metrics

WAKE_CHANNEL = "pgtrickle_wake"
BREATH = 0.02
"""Least seconds between two looks at what is due: what is due together is found together."""
LOOK_AGAIN = 0.5
"""Seconds until a table that is due and cannot be begun is looked at again, if nothing is done."""
LONGEST_REST = 2.0
"""Most seconds for which a table is left alone that somebody else refreshes, or that vanished."""
LOOKED_AT = 600.0
"""Seconds for which a table may pass as idle without a closer look at what its plan relies on."""
REGROUP = 10.0
ADRIFT = 10.0
TIDY = 10.0
ALERTS = 60.0
EMPTY = 30.0
WAL = 2.0
"""Seconds after which the log is decoded though nothing is due: the server can then forget it."""
HISTORY = 600.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a worker works. `poll`: seconds after which new tables, and a leader that is gone, are
    noticed; `jobs`: refreshes that go on at a time in each database; `on_change`: tables are
    refreshed when their sources have changed, too, before their schedules say so."""

    poll: float = 1.0
    jobs: int = 4
    on_change: bool = False
    metrics: Metrics | None = None


def serve(dsn: str, bell: Bell, manner: Manner) -> None:
    """Serve until the bell rings; a lost connection is made anew, with growing pauses between."""
    failures = 0
    while not bell.rung:
        began = time.monotonic()
        try:
            with Watchdog(dsn) as watchdog, watchdog.connect() as connection:
                Serving(connection, watchdog.connect, bell, manner).run()
        except psycopg.OperationalError as error:
            log.warning("connection_lost", extra=fields_of(error))
        except psycopg.Error as error:
            log.error("failed", extra=fields_of(error))
        except Exception:
            # A worker serves other databases and tables too: it reports, and begins anew.
            log.exception("unexpected_error")
        if not bell.rung:
            failures = 0 if time.monotonic() - began > LONGEST else failures + 1
            bell.sleep(backoff(failures))


class Serving:
    """A connection's life: stand by until this worker leads, then work until it stops.

    The leading connection only decides what is begun: refreshes are done by lanes, everything else
    that may take its time by chores.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        connect: Callable[[], psycopg.Connection[Any]],
        bell: Bell,
        manner: Manner,
    ) -> None:
        self.connection = connection
        self.engine = Engine(connection)
        self.bell = bell
        self.manner = manner
        self.database = connection.info.dbname
        self.compiler = work.Compiler()
        self.changes = Changes(self.engine.session) if manner.on_change else None
        self.wal = Wal(connect)
        self.lanes = Lanes(manner.jobs, connect, self._perform, bell.wake)
        chores = {
            "chores": [
                Chore("compile", manner.poll, self.compiler.compile),
                Chore("tidy", TIDY, self._tidy),
                Chore("alerts", ALERTS, work.alert),
                Chore("empty_buffers", EMPTY, work.empty_buffers),
                Chore("purge_history", HISTORY, work.purge_history),
            ],
            "log": [Chore("keep_wal", WAL, self.wal.keep)],
        }
        self.chores = [Chores(name, connect, each, bell.wake) for name, each in chores.items()]
        self._resting = Resting(LONGEST_REST)
        self._under_way: frozenset[int] = frozenset()
        self._groups: list[units.Group] = []
        self._looked_at: dict[int, float] = {}
        self._next: dict[Callable[..., object], float] = {}
        self._woken = False
        # PostgreSQL sends notifications along with answers too: a socket at rest tells nothing.
        connection.add_notify_handler(self._wake)

    def _wake(self, _notification: psycopg.Notify) -> None:
        self._woken = True
        for chores in self.chores:
            chores.stir("compile")

    def run(self) -> None:
        """Ends when the bell rings; raises psycopg.OperationalError when the connection is gone."""
        self.connection.execute(f"listen {WAKE_CHANNEL}")
        if not self._take_the_lead():
            return
        try:
            log.info("serving", extra={"database": self.database})
            for chores in self.chores:
                chores.start()
            while not self.bell.rung:
                self._rest(self._round_or_rest())
        finally:
            with contextlib.suppress(psycopg.Error):
                self._lead_lasts(0)  # it is not heard of while the last refreshes are waited for
            self.lanes.close()
            for chores in self.chores:
                chores.close()
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
                self._lead_lasts(max(LED, min(5 * self.manner.poll, 86400)))
                self._leads(True)
                return True
            else:
                state = "standing_by"
            if state != said:
                known = leader(self.engine.session) if state == "standing_by" else {}
                log.info(state, extra={"database": self.database, **known})
                said = state
            self.bell.sleep(self.manner.poll, self.connection)
        return False

    def _lead_lasts(self, seconds: float) -> None:
        """Have the server end this session, and with it the lead, where it hears nothing from it
        for so long; 0 is never."""
        self.connection.execute(f"set idle_session_timeout = '{seconds * 1000:.0f}ms'")

    def _leads(self, leads: bool) -> None:
        if self.manner.metrics is not None:
            self.manner.metrics.leading(self.database, leads)

    def _perform(self, engine: Engine, unit: units.Unit) -> list[Refresh]:
        return work.perform(engine, unit, self.wal, lambda: self.bell.rung)

    def _rest(self, seconds: float) -> None:
        """Until so many seconds have passed, or something has happened. Where it is wanted, what
        has changed meanwhile is begun."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            at_most = left if self.changes is None else min(left, TICK)
            if self.bell.sleep(at_most, self.connection):
                return
            self._begin_changed()

    def _round_or_rest(self) -> float:
        """A round; where others hindered it, the lead is kept, and another follows soon."""
        try:
            return self._round()
        except psycopg.Error as error:
            if self.connection.closed or error.sqlstate not in SOMEBODY_ELSE:
                raise
            log.info("round_hindered", extra=fields_of(error))
            return LOOK_AGAIN

    def _round(self) -> float:
        """Begin what there is to do; the seconds to sleep. A lane that is done ends the sleep."""
        session = self.engine.session
        now = time.monotonic()
        self._woken = False
        self._take_stock(now)
        store_next_times(session)
        self._bring_back_adrift(now)
        resting = self._resting.ids(now)
        wait = self._seconds_until_due(resting)
        if wait <= 0:
            left = self._begin(resting, now)
            wait = self._seconds_until_due(resting | left)
            wait = min(wait, LOOK_AGAIN) if left else wait
        self._begin_changed()
        if self._woken:
            return BREATH
        rest = self._resting.seconds(now)
        return max(BREATH, min(wait, self.manner.poll, *([] if rest is None else [rest])))

    def _take_stock(self, now: float) -> None:
        """Look what is under way, and note what is not any more. In this order: what ends between
        the two is held for one round more, and not begun again before it is known how it ended."""
        self._under_way = self.lanes.under_way
        self._note_finished(now)

    def _begin_unit(self, unit: units.Unit) -> None:
        self._under_way |= unit.ids
        self.lanes.begin(unit)

    def _note_finished(self, now: float) -> None:
        """Note what the lanes have done: what could not be done now is not tried again at once."""
        for unit, done in self.lanes.finished():
            if self.manner.metrics is not None:
                self.manner.metrics.refreshed(self.database, done)
            hindered = not done or any(one.action == "SKIP" or one.error for one in done)
            for id in unit.ids:
                if hindered:
                    self._resting.failed(id, now)
                else:
                    self._resting.succeeded(id)
            if hindered and len(unit.tables) > 1:
                self._next[self._regroup] = 0.0  # one that failed holds its group back

    def _begin(self, resting: frozenset[int], now: float) -> frozenset[int]:
        """Have refreshed what is due, as far as there are lanes; ids of what is left for later."""
        held = self._under_way | resting
        due = self._not_idle(units.due(self.engine.session, held), held, now)
        waiting = self.compiler.awaited(due, now)
        if not due:
            return frozenset()  # which tables belong together is not to be looked up for nothing
        due = [one for one in due if one.table.id not in waiting]
        begun = self._start(due, held, now)
        return (waiting | {one.table.id for one in due}) - begun

    def _begin_changed(self) -> None:
        """Have refreshed what is not due but has changed, where that is wanted."""
        if self.changes is None:
            return
        now = time.monotonic()
        self._take_stock(now)
        held = self._under_way | self._resting.ids(now)
        changed = self.changes.ready(held)
        if not changed:
            return
        begun = self._start(units.due_now(self.engine.session, changed), held, now)
        if not begun.issuperset(changed):
            self.changes.look_again(LOOK_AGAIN)

    def _start(self, due: list[units.Due], held: frozenset[int], now: float) -> frozenset[int]:
        """Have refreshed, with what belongs to it, as much as there are lanes for; ids of that."""
        self._regroup(due, now)
        todo = units.units(due, self._groups, held)
        reads = any(unit.reads_wal for unit in self.lanes.units)
        if reads or self.wal.waits or self.wal.rests:
            # One reader at a time: another would only hold a lane that somebody else needs.
            todo = [unit for unit in todo if not unit.reads_wal]
        begun = units.startable(todo, self._under_way, self.lanes.free)
        for unit in begun:
            for table in unit.tables:
                self._looked_at[table.id] = now
            self._begin_unit(unit)
        return units.ids(begun)

    def _not_idle(self, due: list[units.Due], held: frozenset[int], now: float) -> list[units.Due]:
        """What is due and may have changed; the rest is done with, all at once."""
        long_ago = {
            one.table.id
            for one in due
            if now - self._looked_at.get(one.table.id, -LOOKED_AT) >= LOOKED_AT
        }
        if len(long_ago) == len(due):
            return due
        ((passed,),) = self.engine.session.rows(
            "select pgtrickle._pass_idle(%s::bigint[])", ([*held, *long_ago],)
        )
        if self.manner.metrics is not None:
            self.manner.metrics.passed(self.database, passed)
        return [one for one in due if one.table.id not in set(passed)]

    def _regroup(self, due: list[units.Due], now: float) -> None:
        """Look again which tables belong together, where there may be others by now."""
        if (
            now >= self._next.get(self._regroup, 0.0)
            or any(group.held for group in self._groups)
            or any(one.table.id not in self._looked_at for one in due)
        ):
            self._groups = units.groups(self.engine.session)
            self._next[self._regroup] = now + REGROUP

    def _bring_back_adrift(self, now: float) -> None:
        """Have refreshed the IMMEDIATE tables whose sources were rebuilt."""
        if now < self._next.get(self._bring_back_adrift, 0.0):
            return
        self._next[self._bring_back_adrift] = now + ADRIFT
        for table in units.adrift(self.engine.session):
            if table.id not in self._under_way and self.lanes.free:
                self._begin_unit(units.Unit([table]))

    def _tidy(self, engine: Engine) -> None:
        work.tidy(engine)
        if self.manner.metrics is not None:
            self.manner.metrics.look(self.database, engine.session)

    def _seconds_until_due(self, excepted: frozenset[int]) -> float:
        rows = self.engine.session.rows(
            "select pgtrickle._seconds_until_due(%s::bigint[])",
            (list(self._under_way | excepted),),
        )
        return self.manner.poll if rows[0][0] is None else float(rows[0][0])
