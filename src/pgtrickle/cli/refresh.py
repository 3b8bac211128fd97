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
    every: Annotated[bool, typer.Option("--all", help="All stream tables, at one moment.")] = False,
    with_upstreams: Annotated[
        bool,
        typer.Option("--with-upstreams", help="Also the stream tables it reads, at one moment."),
    ] = False,
    dsn: Dsn = "",
    as_json: AsJson = False,
) -> None:
    """Refresh one stream table, or all of them. Exit status 2 when one cannot be refreshed."""
    if (name is None) is not every or (every and with_upstreams):
        raise typer.BadParameter("Name a stream table, or say --all.")
    with opened(dsn) as engine:
        if name is None:
            done = engine.refresh_all()
        elif with_upstreams:
            done = engine.refresh_all(name)
        else:
            done = [engine.refresh(name)]
    output.show(output.Table.of(done), as_json=as_json)
    failed = [refresh.name for refresh in done if refresh.error is not None]
    if failed:
        output.complain(f"Not refreshed: {', '.join(failed)}")
        raise typer.Exit(2)
