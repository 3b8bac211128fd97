"""`pgtrickle status`: the stream tables of a database."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from . import output
from .engine import AsJson, Dsn, opened

if TYPE_CHECKING:
    from pgtrickle.engine import Engine, Status


def status(
    watch: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0.1, help="Show it again and again.", show_default=False
        ),
    ] = None,
    dsn: Dsn = "",
    as_json: AsJson = False,
) -> None:
    """Show every stream table: how it is maintained, how old it is, and what is wrong."""
    with opened(dsn) as engine:
        if watch is not None:
            _watch(engine, watch)
            return
        tables = list(engine.status())
    if as_json:
        output.show(output.Table.of(tables), as_json=True)
    elif tables:
        output.show(board(tables), as_json=False)
    else:
        output.say("There are no stream tables.")


def _watch(engine: Engine, seconds: float) -> None:
    """Until Ctrl-C; where there is no terminal, one board after another."""
    with output.live() as show:
        while True:
            show(board(list(engine.status())))
            sys.stdout.flush()
            time.sleep(seconds)


def board(tables: list[Status]) -> output.Table:
    """What people read: fresh as an age, duration and trend in words."""
    return output.Table(
        ["name", "mode", "refreshed", "took", "rows", "trend", "problem"],
        [
            [
                one.name,
                one.refresh_mode,
                "never"
                if one.staleness is None
                else f"{duration(one.staleness.total_seconds())} ago",
                None if one.last_duration_ms is None else duration(one.last_duration_ms / 1000),
                one.rows,
                trend(one.trend),
                one.problem,
            ]
            for one in tables
        ],
    )


_UNITS = ((1, 0.001, "ms"), (120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h"))
"""(below so many seconds, seconds of the unit, its name)"""


def duration(seconds: float) -> str:
    """Two digits and a unit: 4.2 ms, 35 s, 2.5 h."""
    fitting = ((size, unit) for limit, size, unit in _UNITS if seconds < limit)
    size, unit = next(fitting, (86400, "d"))
    amount = max(seconds, 0.0) / size
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"


def trend(ratio: float | None) -> str | None:
    """How long refreshes take against before; small changes are none."""
    if ratio is None:
        return None
    if ratio > 1.5:
        return f"{ratio:.1f} times slower"
    if ratio < 1 / 1.5:
        return f"{1 / ratio:.1f} times faster"
    return "steady"
