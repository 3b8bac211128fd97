"""One refresh and one recomputation, timed the same way: as the client waits for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from psycopg import sql

from .outcome import DIFFERENTIAL, TableOutcome

if TYPE_CHECKING:
    import psycopg

    from pgtrickle.engine import Engine

    from .project import StreamTable


def refresh(engine: Engine, table: StreamTable, into: TableOutcome) -> float | None:
    """Refresh a stream table; give the seconds it took, or None if it was not differential."""
    started = time.perf_counter()
    done = engine.refresh(table.qualified)
    seconds = time.perf_counter() - started
    into.actions[done.action] += 1
    into.rows_changed += done.rows_inserted + done.rows_deleted
    return seconds if done.action == DIFFERENTIAL else None


def recompute(connection: psycopg.Connection, table: StreamTable) -> float:
    """Run the model's query into a temporary table; give the seconds that took.

    This favours the recomputation: a temporary table writes no WAL, has no index to maintain, and
    nothing is compared or merged.
    """
    statement = sql.SQL("create temporary table recomputed as {}").format(sql.SQL(table.query))
    started = time.perf_counter()
    connection.execute(statement)
    seconds = time.perf_counter() - started
    connection.execute("drop table recomputed")
    return seconds


def both(
    engine: Engine,
    connection: psycopg.Connection,
    table: StreamTable,
    into: TableOutcome,
    *,
    recompute_first: bool,
) -> None:
    """Refresh and recompute over the same data; the caller alternates which goes first."""
    recomputed = recompute(connection, table) if recompute_first else None
    refreshed = refresh(engine, table, into)
    if recomputed is None:
        recomputed = recompute(connection, table)
    if refreshed is not None:
        into.pairs.append((refreshed, recomputed))
