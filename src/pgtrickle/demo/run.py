"""The demo from beginning to end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

import pgtrickle
from pgtrickle.embedded import Server, server

from . import calendar, data, project
from .outcome import Outcome
from .play import begin, play

if TYPE_CHECKING:
    from pgtrickle.engine import Engine

    from .display import Display


def run(
    directory: Path, display: Display, *, batches: int, keep: bool = False, every: int = 1
) -> Outcome:
    """Build the flights project over the first months of 2013 and play the rest of the year.

    The server of `directory` is used, and its database `flights` made anew. It stops with the
    demo, unless `keep`. Of the flights, each `every`-th is used.
    """
    played = calendar.batches(batches)
    models = project.locate()
    directory = directory.expanduser().absolute()
    display.stage(f"Starting PostgreSQL in {directory}")
    with server(directory) as postgres:
        dsn = _new_database(postgres)
        with psycopg.connect(dsn, autocommit=True) as connection:
            display.stage("Loading the flights of January, February and March 2013")
            data.load(connection, every=every)
            flights = begin(connection, calendar.BEGINNING)
            display.detail(f"{flights:,} flights, with weather, planes, airlines and airports")

            display.stage("dbt build")
            started = time.perf_counter()
            project.build(models, directory, display.detail)
            built = time.perf_counter() - started

            tables = project.stream_tables(directory)
            with pgtrickle.connect(dsn) as engine:
                display.stage(
                    f"Playing April to December in {len(played)} batches,"
                    f" refreshing {len(tables)} stream tables after each"
                )
                with display.steps(len(played)) as advance:
                    outcome = play(
                        engine, connection, tables, played, lambda batch: advance(_words(batch))
                    )
                outcome.dsn, outcome.build_seconds = dsn, built
                display.stage("Comparing each stream table with its query")
                verify(engine, outcome)
        if keep:
            Server(directory).start()
    return outcome


def verify(engine: Engine, outcome: Outcome) -> None:
    """Ask of each stream table whether it equals its query now."""
    for table in outcome.tables:
        table.equal = engine.verify(table.name).equal


def _new_database(postgres: Server) -> str:
    name = sql.Identifier(project.DATABASE)
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))
        connection.execute(sql.SQL("create database {}").format(name))
    return postgres.dsn_of(project.DATABASE)


def _words(batch: calendar.Batch) -> str:
    period = batch.arriving
    if period.first == period.ending:
        return "the last corrections"
    return f"flights from {period.first:%-d %B}"
