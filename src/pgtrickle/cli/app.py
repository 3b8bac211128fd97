"""The commands of `pgtrickle`, one module each; this one only lists them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pgtrickle import __version__

from . import alter, create, demo, drop, explain, install, refresh, server, status, verify, worker

app = typer.Typer(
    name="pgtrickle",
    help="Stream tables for PostgreSQL: tables that stay equal to their query.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,  # frames are for eyes
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo.demo)
app.add_typer(server.app, name="server")
app.command()(install.install)
app.command()(install.uninstall)
app.command()(create.create)
app.command()(alter.alter)
app.command()(drop.drop)
app.command()(refresh.refresh)
app.command()(explain.explain)
app.command()(verify.verify)
app.command()(status.status)
app.command()(worker.worker)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pgtrickle {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options that belong to no command."""
