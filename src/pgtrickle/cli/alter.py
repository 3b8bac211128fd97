"""`pgtrickle alter`: another query or other settings for a stream table."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .engine import Dsn, Name, opened
from .query import Query, QueryFile, read


def alter(
    name: Name,
    query: Query = None,
    file: QueryFile = None,
    schedule: Annotated[
        str | None, typer.Option(help="30s, 5m, 1h30m, a cron line, or `calculated`.")
    ] = None,
    refresh_mode: Annotated[
        str | None, typer.Option(help="AUTO, DIFFERENTIAL, FULL or IMMEDIATE.")
    ] = None,
    status: Annotated[str | None, typer.Option(help="ACTIVE or SUSPENDED.")] = None,
    dsn: Dsn = "",
) -> None:
    """Change a stream table in place. What is not given stays as it is."""
    wanted = {
        "query": read(query, file),
        "schedule": schedule,
        "refresh_mode": refresh_mode,
        "status": status,
    }
    changes = {option: value for option, value in wanted.items() if value is not None}
    if not changes:
        raise typer.BadParameter("Say what to change.")
    with opened(dsn) as engine:
        engine.alter_stream_table(name, **changes)
    output.say(f"Altered stream table {name}.")
