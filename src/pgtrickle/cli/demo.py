"""`pgtrickle demo`: a year of flights, kept up with by dbt's stream tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pgtrickle.demo.display import Display
from pgtrickle.demo.next_steps import next_steps
from pgtrickle.demo.outcome import DIFFERENTIAL, Outcome
from pgtrickle.demo.project import locate
from pgtrickle.demo.run import run

from . import output

DEFAULT = Path(".pgtrickle", "demo")


def demo(
    directory: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where the demo's server lives; made when needed."),
    ] = DEFAULT,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running.")] = False,
    batches: Annotated[
        int, typer.Option(metavar="N", help="In how many batches April to December are played.")
    ] = 92,
    every: Annotated[
        int, typer.Option(metavar="N", min=1, help="Use each N-th flight only, to be quicker.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Build stream tables with dbt over a year of flights, and watch them keep up.

    Exit status 1 when a stream table differs from its query at the end.
    """
    display = Display(Console(stderr=as_json))
    outcome = run(directory, display, batches=batches, keep=keep, every=every)
    if as_json:
        output.show_json(outcome.record())
    else:
        _report(outcome)
        _suggest(directory, outcome.dsn, running=keep)
    if not outcome.equal:
        raise typer.Exit(1)


def _report(outcome: Outcome) -> None:
    output.say("")
    output.show(_table(outcome), as_json=False)
    measured = max((len(table.pairs) for table in outcome.tables), default=0)
    output.say(
        f"\n{outcome.inserted:,} flights arrived, {outcome.corrected:,} were corrected and"
        f" {outcome.withdrawn:,} withdrawn, in {outcome.batches} batches.\n"
        f"Times are medians of the {measured} batches in which both were measured."
    )
    for table in outcome.tables:
        for action, times in sorted(table.actions.items()):
            if action != DIFFERENTIAL:
                refreshes = sum(table.actions.values())
                output.say(f"{table.name}: {times} of {refreshes} refreshes were {action}.")
    if outcome.equal:
        output.say(f"Each of the {len(outcome.tables)} stream tables equals its query.")
    else:
        differing = ", ".join(table.name for table in outcome.tables if not table.equal)
        output.complain(f"These differ from their query: {differing}")


def _table(outcome: Outcome) -> output.Table:
    shown = {
        "stream_table": "stream table",
        "rows_changed": "rows changed",
        "refresh_ms": "refresh ms",
        "recompute_ms": "recompute ms",
        "ratio": "ratio",
        "equal": "equal",
    }
    records = [table.record() for table in outcome.tables]
    return output.Table(
        list(shown.values()), [[record[key] for key in shown] for record in records]
    )


def _suggest(directory: Path, dsn: str, *, running: bool) -> None:
    output.say("\nWhat to try next:")
    for what, commands in next_steps(directory.absolute(), locate(), dsn, running=running):
        output.say(f"\n  {what}:")
        for command in commands:
            output.say(f"    {command}")
