"""`pgtrickle server`: the embedded PostgreSQL of a directory."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from pgtrickle.embedded import Server, Status

from . import output

app = typer.Typer(
    no_args_is_help=True, help="Run a PostgreSQL of your own, in a directory, without root."
)

Directory = Annotated[
    Path, typer.Argument(metavar="DIR", help="Where the server lives.", show_default=True)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT = Path(".pgtrickle")


@app.command()
def start(
    directory: Directory = DEFAULT,
    postgres: Annotated[
        str | None,
        typer.Option(
            metavar="BIN",
            help="Directory of the PostgreSQL programs to use, or `machine` for the newest found"
            " here. Default: $PGTRICKLE_POSTGRES_BIN, or what pip installed.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start the server and leave it running. Does nothing when it runs."""
    _show(Server(directory, postgres=postgres).start(), as_json=as_json)


@app.command()
def stop(directory: Directory = DEFAULT) -> None:
    """Stop the server."""
    if Server(directory).stop():
        output.say(f"The server in {directory} has stopped.")
    else:
        output.say(f"No server was running in {directory}.")


@app.command()
def status(directory: Directory = DEFAULT, as_json: AsJson = False) -> None:
    """Show whether the server runs and how to connect to it. Exit status 1 when it does not."""
    found = Server(directory).status()
    _show(found, as_json=as_json)
    if not found.running:
        raise typer.Exit(1)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def psql(
    context: typer.Context,
    directory: Directory = DEFAULT,
    database: Annotated[str, typer.Option("--database", "-d")] = "postgres",
) -> None:
    """Open psql on the running server. What follows DIR is handed to psql."""
    command = [*Server(directory).psql(database), *context.args]
    os.execv(command[0], command)


def _show(found: Status, *, as_json: bool) -> None:
    started = (
        datetime.fromtimestamp(found.started, tz=timezone.utc)
        if found.started is not None
        else None
    )
    table = output.Table(
        ["directory", "running", "pid", "version", "started", "dsn"],
        [[found.directory, found.running, found.pid, found.version, started, found.dsn]],
    )
    if as_json:
        output.show_json(dict(zip(table.columns, table.rows[0], strict=True)))
    else:
        output.show(table, as_json=False)
