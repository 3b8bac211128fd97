"""`pgtrickle worker`: keep stream tables to their schedules."""

from __future__ import annotations

import os
from contextlib import closing
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from . import output
from .engine import AsJson, dsn_of_target, opened

if TYPE_CHECKING:
    from pgtrickle.worker.work import Round


class LogFormat(str, Enum):
    text = "text"
    json = "json"


def worker(
    dsn: Annotated[
        list[str] | None,
        typer.Option(
            "--dsn",
            help="A database to serve; may be repeated. Default: $PGTRICKLE_DSN, or what libpq's"
            " variables (PGHOST, PGUSER, ...) say.",
            show_default=False,
            callback=dsn_of_target,
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Do what there is to do, and end.")] = False,
    poll: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.05,
            help="How soon new tables, and a worker that is gone, are noticed."
            " What is due is refreshed on time whatever this says.",
        ),
    ] = 1.0,
    jobs: Annotated[
        int,
        typer.Option(min=1, help="Refreshes at a time in each database."),
    ] = 4,
    on_change: Annotated[
        bool,
        typer.Option(
            "--on-change",
            help="Refresh tables when their sources change, too, before they are due.",
        ),
    ] = False,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            help="Answer Prometheus there; without HOST on this machine alone."
            " Needs the extra metrics.",
            show_default=False,
        ),
    ] = None,
    traces: Annotated[
        bool,
        typer.Option(
            "--traces",
            help="Send OpenTelemetry traces where OTEL_EXPORTER_OTLP_ENDPOINT says."
            " Needs the extra telemetry.",
        ),
    ] = False,
    log_format: Annotated[LogFormat, typer.Option(help="Form of the log.")] = LogFormat.text,
    log_level: Annotated[
        str, typer.Option(help="debug, info, warning or error; debug tells of idle refreshes too.")
    ] = "info",
    as_json: AsJson = False,
) -> None:
    """Compile what was created by SQL alone, and refresh each stream table on its schedule.

    Stays until SIGINT or SIGTERM. Any number may run: one leads in each database, the others
    stand by. Exit status 2 when with --once a table cannot be refreshed.
    """
    from pgtrickle.database import check_connection_string
    from pgtrickle.worker import logs, process, serving, tracing, work  # not for other commands
    from pgtrickle.worker.connection import connect
    from pgtrickle.worker.metrics import Metrics
    from pgtrickle.worker.wal import Wal

    if log_level not in ("debug", "info", "warning", "error"):
        raise typer.BadParameter("--log-level is debug, info, warning or error.")
    if once and on_change:
        raise typer.BadParameter("--on-change is for a worker that stays, and --once ends.")
    dsns = dsn or [os.environ.get("PGTRICKLE_DSN", "")]
    for each in dsns:
        check_connection_string(each)
    logs.configure(log_format.value, "warning" if once and log_level == "info" else log_level)
    if traces:
        tracing.start()
    if not once:
        figures = Metrics() if metrics is not None else None
        if figures is not None and metrics is not None:
            figures.serve(metrics)
        process.run(dsns, serving.Manner(poll, jobs, on_change, figures))
        return
    rounds = []
    for each in dsns:
        with opened(each) as engine, closing(Wal(partial(connect, each))) as wal:
            rounds.append(work.once(engine, wal))
    _report(rounds, as_json=as_json)
    if any(done.failed for done in rounds):
        raise typer.Exit(2)


def _report(rounds: list[Round], *, as_json: bool) -> None:
    rows = [[name, "COMPILE", None] for done in rounds for name in done.compiled]
    rows += [
        [refresh.name, refresh.action, refresh.error]
        for done in rounds
        for refresh in done.refreshed
    ]
    if rows or as_json:
        output.show(output.Table(["name", "action", "error"], rows), as_json=as_json)
    else:
        output.say("There was nothing to do.")
