"""What there is to do in a database at one moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from pgtrickle.engine import CONFLICTS, Refresh
from pgtrickle.query.names import quote_literal

from . import tracing, units
from .cron import store_next_times

if TYPE_CHECKING:
    from pgtrickle.engine import Engine

    from .units import Unit
    from .wal import Wal

HISTORY_BATCH = 10_000
"""Rows of history deleted in one statement."""
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
    tidy(engine)
    purge_history(engine)
    return Round(compiled, refreshed)


def compile_pending(engine: Engine) -> list[str]:
    compiled = engine.compile_pending()
    for name in compiled:
        log.info("compiled", extra={"table": name})
    return compiled


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
        return _refresh(engine, name)
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
            done = _in_order(engine, unit)
    except psycopg.Error as error:
        if engine.connection.closed:
            raise
        log.info("not_at_one_snapshot", extra={"error": str(error).strip()})
        return [Refresh(table.name, "SKIP", 0, 0, 0, 0.0, str(error)) for table in unit.tables]
    for refresh in done:
        _log(refresh)
    return done


def _in_order(engine: Engine, unit: Unit) -> list[Refresh]:
    """Within the transaction; what reads a table that failed is left as it is."""
    done: list[Refresh] = []
    failed: dict[int, str] = {}
    for table in unit.tables:
        cause = next((failed[one] for one in table.upstream if one in failed), None)
        if cause is not None:
            done.append(Refresh(table.name, "SKIP", 0, 0, 0, 0.0, f"{cause} was not refreshed"))
            failed[table.id] = cause
            continue
        done.append(_refresh(engine, table.name))
        if done[-1].error_code in CONFLICTS:  # only another snapshot helps
            raise CONFLICTS[str(done[-1].error_code)](str(done[-1].error))
        if done[-1].error is not None or done[-1].action == "SKIP":
            failed[table.id] = table.name
    return done


@contextmanager
def snapshot(engine: Engine) -> Iterator[None]:
    """A transaction that sees one moment throughout."""
    with engine.connection.transaction():
        engine.session.rows("set transaction isolation level repeatable read")
        yield


def _refresh(engine: Engine, name: str) -> Refresh:
    # No parameters, so that the refresh is seen to be alone in its transaction and may truncate.
    rows = engine.session.rows(
        "select case status when 'SKIPPED' then 'SKIP' else action end,"
        " coalesce(rows_inserted, 0), coalesce(rows_deleted, 0), coalesce(delta_row_count, 0),"
        " coalesce(duration_ms, 0), reason, error_message, error_code"
        f" from pgtrickle._refresh_scheduled({quote_literal(name)})"
    )
    return Refresh(name, *rows[0])


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
    """Forget tables dropped by plain DDL, bring back IMMEDIATE ones whose sources were rebuilt, and
    empty buffers that everybody has consumed."""
    engine.session.rows("select pgtrickle._cleanup_dropped()")
    for (name,) in engine.session.rows("select * from pgtrickle._adrift()"):
        _log(_refresh_alone(engine, name))
    engine.session.rows("select pgtrickle._purge_all()")


def empty_buffers(engine: Engine) -> None:
    """Empty small buffers, too: a table is known to be idle by the empty buffers of its sources."""
    engine.session.rows("select pgtrickle._purge_all(1)")


def purge_history(engine: Engine, seconds: float = 1.0) -> int:
    """Delete history past its retention, batch by batch, for about so long; how many rows."""
    end = time.monotonic() + seconds
    deleted = 0
    while True:
        ((batch,),) = engine.session.rows(f"select pgtrickle._purge_history({HISTORY_BATCH})")
        deleted += int(batch)
        if batch < HISTORY_BATCH or time.monotonic() > end:
            return deleted
