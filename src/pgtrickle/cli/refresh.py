"""`pgtrickle refresh`: bring stream tables up to date."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .engine import AsJson, Dsn, opened


def refresh(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The stream table.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All stream tables, in order.")] = False,
    dsn: Dsn = "",
    as_json: AsJson = False,
) -> None:
    """Refresh one stream table, or all of them."""
    if (name is None) is not every:
        raise typer.BadParameter("Name a stream table, or say --all.")
    with opened(dsn) as engine:
        done = list(engine.refresh_all()) if name is None else [engine.refresh(name)]
    output.show(output.Table.of(done), as_json=as_json)
