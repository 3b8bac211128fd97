"""What commands print, by kind of value."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgtrickle import cli
from pgtrickle.cli import output
from pgtrickle.errors import PgTrickleError


def test_columns_are_aligned_and_numbers_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(output.Table(["name", "rows"], [["a", 5], ["bcd", 1000]]), as_json=False)
    assert capsys.readouterr().out == "name  rows\na        5\nbcd   1000\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (["trigger", "wal"], "trigger, wal"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        (datetime(2013, 1, 1, 5, 0, 0, 7, tzinfo=timezone.utc), "2013-01-01 05:00:00+00:00"),
        ("[bold]not markup[/]", "[bold]not markup[/]"),
    ],
)
def test_a_value_is_one_line(value: Any, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    output.show(output.Table(["value"], [[value]]), as_json=False)
    assert capsys.readouterr().out == f"value\n{text}\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (timedelta(minutes=5), 300.0),
        (Decimal(10), 10),
        (Decimal("0.5"), 0.5),
        (datetime(2013, 1, 1, tzinfo=timezone.utc), "2013-01-01T00:00:00+00:00"),
        (Path("/a"), "/a"),
        ("déjà", "déjà"),
    ],
)
def test_json_keeps_the_kind_of_a_value(
    value: Any, expected: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    output.show(output.Table(["value"], [[value]]), as_json=True)
    assert json.loads(capsys.readouterr().out) == [{"value": expected}]


def test_a_table_without_rows_is_an_empty_list_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(output.Table(["value"]), as_json=True)
    assert json.loads(capsys.readouterr().out) == []


def _raise(error: BaseException) -> Any:
    def app(arguments: list[str] | None) -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (PgTrickleError("no [such] table", hint="look"), 2, "Error: no [such] table\nHint: look\n"),
        (psycopg.OperationalError("connection refused"), 2, "Error: connection refused\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_of_users_are_told_and_others_are_not_hidden(
    error: BaseException,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "app", _raise(error))
    assert cli.run([]) == status
    assert capsys.readouterr().err == said


def test_a_defect_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "app", _raise(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.run([])
