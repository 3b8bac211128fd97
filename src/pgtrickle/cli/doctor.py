"""`pgtrickle doctor`: what is wrong with the stream tables of a database, and how to mend it."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .engine import AsJson, Dsn, opened


def doctor(
    every: Annotated[bool, typer.Option("--all", help="Show what is well, too.")] = False,
    dsn: Dsn = "",
    as_json: AsJson = False,
) -> None:
    """Look at everything a stream table needs. Exit status 1 where something is wrong."""
    with opened(dsn) as engine:
        findings = list(engine.doctor())
    wrong = [one for one in findings if one.severity != "OK"]
    shown = findings if every else wrong
    if as_json:
        output.show(output.Table.of(shown), as_json=True)
    else:
        for one in shown:
            output.say(f"{one.severity:5}  {one.check}: {one.detail}")
            if one.severity != "OK" and one.remedy:
                output.say(f"       {one.remedy}")
        if not wrong:
            output.say("Nothing is wrong.")
    if wrong:
        raise typer.Exit(1)
