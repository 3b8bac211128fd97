"""`pgtrickle drop`: the end of a stream table."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .engine import Dsn, Name, opened


def drop(
    name: Name,
    cascade: Annotated[
        bool, typer.Option("--cascade", help="Drop what depends on it as well.")
    ] = False,
    dsn: Dsn = "",
) -> None:
    """Drop a stream table."""
    with opened(dsn) as engine:
        engine.drop_stream_table(name, cascade=cascade)
    output.say(f"Dropped stream table {name}.")
