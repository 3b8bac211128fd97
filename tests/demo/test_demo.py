"""The demo, small: dbt builds, the year is played, every stream table equals its query."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

import pgtrickle
import pgtrickle.cli.demo
from pgtrickle import cli
from pgtrickle.demo.outcome import Outcome, TableOutcome
from pgtrickle.demo.run import verify
from pgtrickle.embedded import Server

BATCHES = 4


@dataclass(frozen=True)
class Demo:
    """A finished demo whose server was kept: its exit status and what it printed as JSON."""

    directory: Path
    exit_status: int
    outcome: dict[str, Any]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    directory = tmp_path_factory.mktemp("demo")
    small = ["--directory", str(directory), "--batches", str(BATCHES), "--every", "40"]
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exit_status = cli.run(["demo", *small, "--keep", "--json"])
        yield Demo(directory, exit_status, json.loads(printed.getvalue()))
    finally:
        Server(directory).stop()


def test_every_stream_table_equals_its_query(demo: Demo) -> None:
    differing = [table for table in demo.outcome["stream_tables"] if table["equal"] is not True]
    assert differing == []
    assert demo.outcome["equal"] is True
    assert demo.exit_status == 0


def test_every_stream_table_was_refreshed_differentially_after_each_batch(demo: Demo) -> None:
    tables = demo.outcome["stream_tables"]
    assert len(tables) >= 8
    assert {table["stream_table"]: table["actions"] for table in tables} == {
        table["stream_table"]: {"DIFFERENTIAL": BATCHES} for table in tables
    }
    assert all(table["rows_changed"] > 0 for table in tables)


def test_the_flights_changed_in_every_way(demo: Demo) -> None:
    assert all(number > 0 for number in demo.outcome["flights"].values())


def test_a_table_that_differs_makes_the_demo_fail(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dsn = demo.outcome["dsn"]
    with psycopg.connect(dsn) as connection:
        # What refuses writes to a stream table is a trigger, which this passes by.
        connection.execute("set session_replication_role = replica")
        connection.execute("update analytics.plane_ages set flights = flights + 1")

    def compare_again(*_: Any, **__: Any) -> Outcome:
        again = [TableOutcome(table["stream_table"]) for table in demo.outcome["stream_tables"]]
        outcome = Outcome(again, dsn=dsn)
        with pgtrickle.connect(dsn) as engine:
            verify(engine, outcome)
        return outcome

    monkeypatch.setattr(pgtrickle.cli.demo, "run", compare_again)
    assert cli.run(["demo", "--directory", str(demo.directory)]) == 1
    said = capsys.readouterr()
    assert "These differ from their query: analytics.plane_ages\n" in said.err
    assert "equals its query." not in said.out
