"""What the commands that speak to a database have in common: how they reach it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

import pgtrickle

if TYPE_CHECKING:
    from pgtrickle.engine import Engine

Dsn = Annotated[
    str,
    typer.Option(
        "--dsn",
        envvar="PGTRICKLE_DSN",
        help="The database, as a connection string or URI."
        " What it leaves out is taken from libpq's variables (PGHOST, PGUSER, ...).",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The stream table: table or schema.table, as in SQL."),
]


@contextlib.contextmanager
def opened(dsn: str) -> Iterator[Engine]:
    """The engine on a connection of its own, closed afterwards."""
    with pgtrickle.connect(dsn) as engine:
        yield engine
