"""The demo, small: dbt builds, the year is played, every stream table equals its query."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

import pgtrickle.demo.run
from pgtrickle import cli
from pgtrickle.demo.outcome import Outcome
from pgtrickle.demo.play import play
from pgtrickle.embedded import Server


def demo(directory: Path, *options: str) -> int:
    small = ["--directory", str(directory), "--batches", "4", "--every", "40"]
    return cli.run(["demo", *small, *options])


def test_every_stream_table_equals_its_query(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo(tmp_path / "demo", "--json") == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["equal"] is True
    assert len(outcome["stream_tables"]) >= 8
    for table in outcome["stream_tables"]:
        assert table["equal"] is True, table
        assert table["rows_changed"] > 0, table
        assert table["actions"] == {"DIFFERENTIAL": 4}, table
    assert Server(tmp_path / "demo").status().running is False


def test_a_table_that_differs_makes_the_demo_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    corrupted = "analytics.carrier_delays"

    def play_and_corrupt(engine: Any, connection: psycopg.Connection, *rest: Any) -> Outcome:
        outcome = play(engine, connection, *rest)
        with connection.transaction():
            # What refuses writes to a stream table is a trigger, which this passes by.
            connection.execute("set local session_replication_role = replica")
            connection.execute(
                sql.SQL("update {} set flights = flights + 1 where carrier = 'UA'").format(
                    sql.Identifier(*corrupted.split("."))
                )
            )
        return outcome

    monkeypatch.setattr(pgtrickle.demo.run, "play", play_and_corrupt)
    assert demo(tmp_path / "demo") == 1
    said = capsys.readouterr()
    assert f"These differ from their query: {corrupted}\n" in said.err
    assert "equals its query." not in said.out
