"""The year, batch by batch: change the sources, refresh every stream table, measure some."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from psycopg import sql

from . import measure
from .outcome import Outcome, TableOutcome

if TYPE_CHECKING:
    import psycopg

    from pgtrickle.engine import Engine

    from .calendar import Batch, Period
    from .project import StreamTable

# Recomputing everything is what stream tables save: so not after each batch.
_MEASURED_BATCHES = 10


def begin(connection: psycopg.Connection, beginning: Period) -> int:
    """Let the flights of the first months arrive; give their number."""
    arrived = _feed(connection, "arrive", beginning)
    connection.execute("analyze nyc.airlines, nyc.airports, nyc.planes, nyc.weather, nyc.flights")
    return arrived


def play(
    engine: Engine,
    connection: psycopg.Connection,
    tables: list[StreamTable],
    batches: list[Batch],
    after: Callable[[Batch], None],
) -> Outcome:
    """Play the batches; call `after` when the stream tables have caught up with one.

    `tables` come in the order of their dependencies. `connection` is in autocommit.
    """
    outcome = Outcome([TableOutcome(table.qualified) for table in tables], batches=len(batches))
    measured_every = -(-len(batches) // _MEASURED_BATCHES)
    started = time.perf_counter()
    for number, batch in enumerate(batches):
        change(connection, batch, outcome)
        measured, turn = number % measured_every == 0, number // measured_every
        for table, into in zip(tables, outcome.tables, strict=True):
            if measured:
                measure.both(engine, connection, table, into, recompute_first=turn % 2 == 0)
            else:
                measure.refresh(engine, table, into)
        after(batch)
    outcome.play_seconds = time.perf_counter() - started
    return outcome


def change(connection: psycopg.Connection, batch: Batch, outcome: Outcome) -> None:
    """Change the sources as one batch says, in one transaction, and count into `outcome`."""
    with connection.transaction():
        outcome.inserted += _feed(connection, "arrive", batch.arriving)
        outcome.corrected += _feed(connection, "correct", batch.settling)
        outcome.withdrawn += _feed(connection, "withdraw", batch.settling)
        _feed(connection, "rename", batch.arriving)


def _feed(connection: psycopg.Connection, function: str, period: Period) -> int:
    call = sql.SQL("select {}(%s, %s)").format(sql.Identifier("feed", function))
    row = connection.execute(call, [period.first, period.ending]).fetchone()
    assert row is not None
    return int(row[0])
