"""`pgtrickle history`: what refreshes of a stream table did."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .engine import AsJson, Dsn, Name, opened
from .status import duration


def history(
    name: Name,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="How many, newest first.")
    ] = 20,
    dsn: Dsn = "",
    as_json: AsJson = False,
) -> None:
    """Show the refreshes of a stream table: what each did, how long it took, and why so."""
    with opened(dsn) as engine:
        refreshes = list(engine.history(name, limit))
    if as_json:
        output.show(output.Table.of(refreshes), as_json=True)
        return
    columns = ["when", "action", "changes", "inserted", "deleted", "took", "by", "why"]
    rows = [
        [
            one.start_time,
            one.action if one.status == "COMPLETED" else one.status,
            one.changes,
            one.rows_inserted,
            one.rows_deleted,
            None if one.duration_ms is None else duration(one.duration_ms / 1000),
            one.initiated_by or "writer",
            one.error or one.reason,
        ]
        for one in refreshes
    ]
    if rows:
        output.show(output.Table(columns, rows), as_json=False)
    else:
        output.say("It was never refreshed.")
