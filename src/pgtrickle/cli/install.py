"""`pgtrickle install` and `pgtrickle uninstall`: the runtime in the database."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .engine import Dsn, opened


def install(dsn: Dsn = "") -> None:
    """Install the runtime in the database, or bring it up to this version."""
    with opened(dsn) as engine:
        output.say(engine.install().message)


def uninstall(
    force: Annotated[
        bool, typer.Option("--force", help="Drop the stream tables that there still are.")
    ] = False,
    dsn: Dsn = "",
) -> None:
    """Remove the runtime from the database. Refuses while there are stream tables."""
    with opened(dsn) as engine:
        engine.uninstall(force=force)
    output.say("The runtime is removed.")
