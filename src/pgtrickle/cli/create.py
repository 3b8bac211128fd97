"""`pgtrickle create`: a new stream table."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .engine import Dsn, Name, opened
from .query import Query, QueryFile, read


def create(
    name: Name,
    query: Query = None,
    file: QueryFile = None,
    schedule: Annotated[
        str,
        typer.Option(help="How stale it may get: 30s, 5m, 1h30m, a cron line, or `calculated`."),
    ] = "calculated",
    refresh_mode: Annotated[
        str, typer.Option(help="AUTO, DIFFERENTIAL, FULL or IMMEDIATE.")
    ] = "AUTO",
    initialize: Annotated[bool, typer.Option(help="Fill the table now.")] = True,
    dsn: Dsn = "",
) -> None:
    """Create a stream table from a query."""
    defining_query = read(query, file)
    if defining_query is None:
        raise typer.BadParameter("A query is needed: --query SQL or --file FILE.")
    with opened(dsn) as engine:
        engine.create_stream_table(
            name,
            defining_query,
            schedule=schedule,
            refresh_mode=refresh_mode,
            initialize=initialize,
        )
    output.say(f"Created stream table {name}.")
