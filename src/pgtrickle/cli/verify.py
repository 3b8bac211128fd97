"""`pgtrickle verify`: does a stream table equal its query?"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from . import output
from .engine import AsJson, Dsn, opened

if TYPE_CHECKING:
    from pgtrickle.verification import Difference, Verdict


def verify(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The stream table.", show_default=False)
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
    if as_json:
        output.show_json(verdicts)
    else:
        _report(verdicts)
    if not all(verdict.equal for verdict in verdicts):
        raise typer.Exit(1)


def _report(verdicts: list[Verdict]) -> None:
    columns = ["name", "equal", "missing", "extra", "different"]
    rows = [[getattr(verdict, column) for column in columns] for verdict in verdicts]
    output.show(output.Table(columns, rows), as_json=False)
    for verdict in verdicts:
        if verdict.differences:
            output.say(f"\nRows of {verdict.name} that differ from its query, the first of them:")
            output.show(_examples(verdict.differences), as_json=False)
        if verdict.awaits:
            output.say(f"\n{verdict.name} awaits a refresh: {verdict.awaits}.")
            output.say(f"Before you verify: pgtrickle refresh {shlex.quote(verdict.name)}")


def _examples(differences: tuple[Difference, ...]) -> output.Table:
    """The rows column by column; one that differs is two lines."""
    names: list[str] = []
    rows = []
    for difference in differences:
        sides = {"query": difference.in_query, "table": difference.in_table}
        for side, row in sides.items():
            if row is not None:
                names = list(row)
                shown = ["NULL" if value is None else value for value in row.values()]
                rows.append([difference.kind, side, difference.copies, *shown])
    return output.Table(["", "in", "copies", *names], rows)
