"""What there is to do in a database at one moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from pgtrickle.engine import CONFLICTS, Refresh
from pgtrickle.query.names import quote_literal

from .cron import store_next_times

if TYPE_CHECKING:
    from pgtrickle.engine import Engine

    from .wal import Wal

HISTORY_BATCH = 10_000
"""Rows of history deleted in one statement."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did. A refresh with action SKIP was under way elsewhere."""

    compiled: list[str]
    refreshed: list[Refresh]

    @property
    def failed(self) -> list[str]:
        return [refresh.name for refresh in self.refreshed if refresh.error is not None]


def once(engine: Engine, wal: Wal | None = None) -> Round:
    """All there is to do now, by hand or in CI."""
    compiled = compile_pending(engine)
    store_next_times(engine.session)
    refreshed = list(refresh_due(engine, wal))
    tidy(engine)
    purge_history(engine)
    return Round(compiled, refreshed)


def compile_pending(engine: Engine) -> list[str]:
    compiled = engine.compile_pending()
    for name in compiled:
        log.info("compiled", extra={"table": name})
    return compiled


def refresh_due(engine: Engine, wal: Wal | None = None) -> Iterator[Refresh]:
    """Refresh what is due, upstream first, one at each step of the iterator.

    What reads the log comes first and at one snapshot, up to which the log is decoded.
    """
    due = engine.session.rows("select name, reads_wal from pgtrickle._due()")
    if wal is not None and any(reads_wal for _, reads_wal in due):
        yield from _refresh_decoded(engine, wal, [name for name, reads_wal in due if reads_wal])
        due = [(name, False) for name, reads_wal in due if not reads_wal]
    for name, _ in due:
        try:
            refresh = _refresh(engine, name)
        except psycopg.Error as error:
            # What a refresh cannot record: the table was dropped meanwhile, or a right revoked.
            if engine.connection.closed:
                raise
            message = error.diag.message_primary or str(error)
            refresh = Refresh(name, "SKIP", 0, 0, 0, 0.0, None, message, error.sqlstate)
        _log(refresh)
        yield refresh


def _refresh_decoded(engine: Engine, wal: Wal, names: list[str]) -> list[Refresh]:
    """Refresh what reads the log, in one transaction."""
    try:
        with wal.decoded():
            done = [_refresh(engine, name) for name in names]
            conflict = next((one for one in done if one.error_code in CONFLICTS), None)
            if conflict is not None:
                raise CONFLICTS[str(conflict.error_code)](str(conflict.error))
    except psycopg.Error as error:
        if engine.connection.closed:
            raise
        log.warning("not_decoded", extra={"error": str(error).strip(), "sqlstate": error.sqlstate})
        return [Refresh(name, "SKIP", 0, 0, 0, 0.0, "the log was not decoded") for name in names]
    for refresh in done:
        _log(refresh)
    return done


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
    """Forget tables dropped by plain DDL, and empty buffers that everybody has consumed."""
    engine.session.rows("select pgtrickle._cleanup_dropped()")
    engine.session.rows("select pgtrickle._purge_all()")


def purge_history(engine: Engine, seconds: float = 1.0) -> int:
    """Delete history past its retention, batch by batch, for about so long; how many rows."""
    end = time.monotonic() + seconds
    deleted = 0
    while True:
        ((batch,),) = engine.session.rows(f"select pgtrickle._purge_history({HISTORY_BATCH})")
        deleted += int(batch)
        if batch < HISTORY_BATCH or time.monotonic() > end:
            return deleted
