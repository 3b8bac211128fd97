"""What there is to do in a database at one moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from pgtrickle.engine import Refresh
from pgtrickle.query.names import quote_literal

from . import tracing, units
from .backoff import SOMEBODY_ELSE
from .cron import store_next_times
from .logs import fields_of

if TYPE_CHECKING:
    from pgtrickle.engine import Engine

    from .units import Due, Unit
    from .wal import Wal

HISTORY_BATCH = 10_000
"""Rows of history deleted in one statement."""
RECOMPILE = 60.0
"""Seconds until what could not be compiled is tried again."""
LOCK_TIMEOUT = "1s"
"""How long compiling waits for writers of a source, who wait behind it meanwhile."""
TURN = 2.0
"""Seconds of compiling after which other chores have their turn."""
AWAITED = 10.0
"""Seconds for which the first population of a table waits for its plan, lest it be done twice."""
Stopping = Callable[[], bool]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did. A refresh with action SKIP was under way elsewhere."""

    compiled: list[str]
    refreshed: list[Refresh]

    @property
    def failed(self) -> list[str]:
        return [refresh.name for refresh in self.refreshed if refresh.error is not None]


def once(engine: Engine, wal: Wal) -> Round:
    """All there is to do now, by hand or in CI."""
    compiled = compile_pending(engine)
    store_next_times(engine.session)
    refreshed = refresh_due(engine, wal)
    for table in units.adrift(engine.session):
        _log(_refresh_alone(engine, table.name))
    tidy(engine)
    alert(engine)
    while purge_history(engine):
        pass
    return Round(compiled, refreshed)


def compile_pending(engine: Engine) -> list[str]:
    compiled = engine.compile_pending()
    for name in compiled:
        log.info("compiled", extra={"table": name})
    return compiled


class Compiler:
    """Compiles what is pending, and remembers what it could not, which is left alone for a while.

    `compile` is called by the thread of the chores, `awaited` by the leading one.
    """

    def __init__(self) -> None:
        self._failed: dict[int, float] = {}
        self._awaited: dict[int, float] = {}

    def compile(self, engine: Engine) -> bool:
        """Compile for a while; whether there is more to do."""
        began = time.monotonic()
        pending = dict(
            engine.session.rows(
                "select pgt_id, pgtrickle._quoted(pgt_schema, pgt_name) from pgtrickle._pending()"
            )
        )
        self._failed = {
            id: since
            for id, since in self._failed.items()
            if id in pending and began - since < RECOMPILE
        }
        for id, name in pending.items():
            if id in self._failed:
                continue
            if time.monotonic() - began > TURN:
                return True
            if self._is_being_refreshed(engine, id):
                continue
            if not self._compile(engine, name):
                self._failed = {**self._failed, id: time.monotonic()}
        return False

    @staticmethod
    def _is_being_refreshed(engine: Engine, id: int) -> bool:
        """Or changed, by somebody whom compiling would wait for."""
        at_rest = engine.session.rows(
            "select from pgtrickle.pgt_frontiers where pgt_id = %s for update skip locked", (id,)
        )
        return not at_rest

    def _compile(self, engine: Engine, name: str) -> bool:
        try:
            done = engine.compile_if_pending(name, lock_timeout=LOCK_TIMEOUT)
        except psycopg.Error as error:
            if engine.connection.closed:
                raise
            log.warning("not_compiled", extra={"table": name, **fields_of(error)})
            return False
        if done:
            log.info("compiled", extra={"table": name})
        return done

    def awaited(self, due: list[Due], now: float) -> frozenset[int]:
        """Which of the tables are to be populated for the first time, and soon have a plan."""
        self._awaited = {
            one.table.id: self._awaited.get(one.table.id, now)
            for one in due
            if one.awaits_compiler and one.table.id not in self._failed
        }
        return frozenset(id for id, since in self._awaited.items() if now - since < AWAITED)


def refresh_due(engine: Engine, wal: Wal, stopping: Stopping = lambda: False) -> list[Refresh]:
    """Refresh what is due, upstream first, unit by unit."""
    done: list[Refresh] = []
    for unit in units.units(units.due(engine.session), units.groups(engine.session)):
        done += perform(engine, unit, wal, stopping)
    return done


def perform(
    engine: Engine, unit: Unit, wal: Wal, stopping: Stopping = lambda: False
) -> list[Refresh]:
    """Refresh the tables of a unit. Where somebody else was faster, all or the one are SKIP."""
    if unit.at_one_snapshot:
        return _at_one_snapshot(engine, unit, wal)
    done: list[Refresh] = []
    for table in unit.tables:
        if stopping():
            break
        with tracing.span("refresh", table=table.name) as span:
            done.append(_refresh_alone(engine, table.name))
            span.set(action=done[-1].action, duration_ms=done[-1].duration_ms)
        _log(done[-1])
    return done


def _refresh_alone(engine: Engine, name: str) -> Refresh:
    try:
        # No parameters, so that the refresh is seen to be alone in its transaction, and truncates.
        literal = quote_literal(name)
        (refresh,) = _refreshes(
            engine,
            f"(select {literal}::text as name, r.* from pgtrickle._refresh_scheduled({literal}) r)",
        )
        return refresh
    except psycopg.Error as error:
        # What a refresh cannot record: the table was dropped meanwhile, or a right revoked.
        if engine.connection.closed:
            raise
        message = error.diag.message_primary or str(error)
        return Refresh(name, "SKIP", 0, 0, 0, 0.0, None, message, error.sqlstate)


def _at_one_snapshot(engine: Engine, unit: Unit, wal: Wal) -> list[Refresh]:
    try:
        with (
            tracing.span("refresh at one snapshot", tables=len(unit.tables)),
            wal.decoded(engine) if unit.reads_wal else snapshot(engine),
        ):
            done = _refreshes(engine, "pgtrickle._refresh_together(%s::bigint[])", sorted(unit.ids))
    except psycopg.Error as error:
        if engine.connection.closed:
            raise
        log.log(
            logging.INFO if error.sqlstate in SOMEBODY_ELSE else logging.WARNING,
            "not_at_one_snapshot",
            extra=fields_of(error),
        )
        return [Refresh(table.name, "SKIP", 0, 0, 0, 0.0, str(error)) for table in unit.tables]
    for refresh in done:
        _log(refresh)
    return done


@contextmanager
def snapshot(engine: Engine) -> Iterator[None]:
    """A transaction that sees one moment throughout."""
    with engine.connection.transaction():
        engine.session.rows("set transaction isolation level repeatable read")
        yield


def _refreshes(engine: Engine, source: str, *parameters: object) -> list[Refresh]:
    rows = engine.session.rows(
        "select name, case status when 'SKIPPED' then 'SKIP' else action end,"
        " coalesce(rows_inserted, 0), coalesce(rows_deleted, 0), coalesce(delta_row_count, 0),"
        f" coalesce(duration_ms, 0), reason, error_message, error_code from {source} done",
        parameters,
    )
    return [Refresh(*row) for row in rows]


def _log(refresh: Refresh) -> None:
    if refresh.error is not None:
        log.error(
            "refresh_failed",
            extra={
                "table": refresh.name,
                "error": refresh.error,
                "sqlstate": refresh.error_code,
                "reason": refresh.reason,
            },
        )
        return
    log.log(
        logging.DEBUG if refresh.action in ("NO_DATA", "SKIP") else logging.INFO,
        "refreshed",
        extra={
            "table": refresh.name,
            "action": refresh.action,
            "rows_inserted": refresh.rows_inserted,
            "rows_deleted": refresh.rows_deleted,
            "changes": refresh.changes,
            "duration_ms": refresh.duration_ms,
            "reason": refresh.reason,
        },
    )


def tidy(engine: Engine) -> None:
    """Forget tables dropped by plain DDL, and empty buffers that everybody has consumed."""
    engine.session.rows("select pgtrickle._cleanup_dropped()")
    while engine.session.rows("select pgtrickle._drop_unused()") == [(True,)]:
        pass
    engine.purge()


def alert(engine: Engine) -> None:
    """Tell by NOTIFY of what is wrong and has been for a while."""
    engine.session.rows("select pgtrickle._alert_states()")


def empty_buffers(engine: Engine) -> None:
    """Empty small buffers, too: a table is known to be idle by the empty buffers of its sources."""
    engine.purge(least_bytes=1)


def purge_history(engine: Engine) -> bool:
    """Delete a batch of history past its retention; whether there may be more."""
    ((batch,),) = engine.session.rows(f"select pgtrickle._purge_history({HISTORY_BATCH})")
    return int(batch) == HISTORY_BATCH
