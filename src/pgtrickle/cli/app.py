"""The commands of `pgtrickle`, one module each; this one only lists them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pgtrickle import __version__

from . import (
    alter,
    create,
    demo,
    doctor,
    drop,
    explain,
    history,
    install,
    refresh,
    server,
    status,
    verify,
    worker,
)
from .engine import DbtTarget

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
app.command()(history.history)
app.command()(doctor.doctor)
app.command()(worker.worker)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pgtrickle {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Use the database of this profile in dbt's profiles.yml. It is looked for in"
            " $DBT_PROFILES_DIR, the working directory and ~/.dbt.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Its target, where that is not the default one. Without --profile, of the profile"
            " the dbt project in the working directory names.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Stream tables for PostgreSQL: tables that stay equal to their query."""
    del version  # answered by its callback
    if profile is not None or target is not None:
        context.obj = DbtTarget(profile, target)
