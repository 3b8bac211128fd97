"""`pgtrickle worker`: what the database does not do by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .engine import AsJson, Dsn, opened


def worker(
    once: Annotated[bool, typer.Option("--once", help="Do what there is to do, and end.")] = False,
    dsn: Dsn = "",
    as_json: AsJson = False,
) -> None:
    """Compile the stream tables that were created by SQL alone."""
    if not once:
        raise typer.BadParameter("Say --once: a worker that stays does not exist yet.")
    with opened(dsn) as engine:
        compiled = engine.compile_pending()
    if not compiled and not as_json:
        output.say("There was nothing to compile.")
        return
    output.show(output.Table(["compiled"], [[name] for name in compiled]), as_json=as_json)
