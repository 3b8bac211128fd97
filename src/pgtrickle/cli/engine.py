"""What the commands that speak to a database have in common: how they reach it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import typer

import pgtrickle
from pgtrickle.profiles import dsn_of_profile

if TYPE_CHECKING:
    from pgtrickle.engine import Engine

_Given = TypeVar("_Given", str, list[str] | None)


class DbtTarget(NamedTuple):
    """The target of dbt's profiles.yml named before the command; None is dbt's default."""

    profile: str | None
    target: str | None


def dsn_of_target(context: typer.Context, parameter: typer.CallbackParam, given: _Given) -> _Given:
    """The value of --dsn: that of the target named before the command, else the one given.

    Raises:
        typer.BadParameter: Both were given.
    """
    named = context.find_root().obj
    if not isinstance(named, DbtTarget):
        return given
    source = context.get_parameter_source(parameter.name or "")
    if source is not None and source.name == "COMMANDLINE":
        raise typer.BadParameter("Name the database by --profile or by --dsn, not by both.")
    dsn = dsn_of_profile(named.profile, named.target)
    return [dsn] if parameter.multiple else dsn  # type: ignore[return-value]


Dsn = Annotated[
    str,
    typer.Option(
        "--dsn",
        envvar="PGTRICKLE_DSN",
        help="The database, as a connection string or URI."
        " What it leaves out is taken from libpq's variables (PGHOST, PGUSER, ...).",
        show_default=False,
        callback=dsn_of_target,
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
