"""`pgtrickle verify`: does a stream table equal its query?"""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .engine import AsJson, Dsn, opened


def verify(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The stream table.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All stream tables.")] = False,
    dsn: Dsn = "",
    as_json: AsJson = False,
) -> None:
    """Compare stream tables with their queries. Exit status 1 if one differs."""
    if (name is None) is not every:
        raise typer.BadParameter("Name a stream table, or say --all.")
    with opened(dsn) as engine:
        names = [one.name for one in engine.status()] if name is None else [name]
        verdicts = [engine.verify(each) for each in names]
    output.show(output.Table.of(verdicts), as_json=as_json)
    if not all(verdict.equal for verdict in verdicts):
        raise typer.Exit(1)
