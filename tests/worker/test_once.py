"""`pgtrickle worker --once`: a round of the worker for CI and plain cron."""

from __future__ import annotations

import json

import pytest

from pgtrickle import cli
from pgtrickle.engine import Engine


def test_once_compiles_refreshes_and_ends(
    own_engine: Engine, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own_engine.connection.execute(
        "insert into src values (1);"
        "select pgtrickle.create_stream_table('t', 'select id from src', schedule => '1h',"
        " initialize => false)"
    )
    assert cli.run(["worker", "--once", "--json", "--dsn", database]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "public.t", "action": "COMPILE", "error": None},
        {"name": "public.t", "action": "FULL", "error": None},
    ]
    assert own_engine.session.rows("select id from t") == [(1,)]
    assert cli.run(["worker", "--once", "--dsn", database]) == 0
    assert capsys.readouterr().out == "There was nothing to do.\n"


def test_once_ends_with_2_where_a_table_fails(
    own_engine: Engine, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own_engine.create_stream_table("t", "select 1 / v as inverse from src", schedule="1h")
    own_engine.create_stream_table("u", "select v from src", schedule="1h")
    own_engine.connection.execute(
        "insert into src values (1, 0);"
        "update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '2 h'"
    )
    assert cli.run(["worker", "--once", "--dsn", database]) == 2
    assert "division by zero" in capsys.readouterr().out
    assert own_engine.session.rows("select v from u") == [(0,)]


def test_once_works_beside_a_worker(own_engine: Engine, database: str) -> None:
    """Who runs it wants fresh tables now, whoever else keeps them fresh."""
    own_engine.create_stream_table("t", "select id from src", schedule="1h")
    own_engine.connection.execute(
        "select pg_advisory_lock(1885829237, 1);"
        "insert into src values (1);"
        "update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '2 h'"
    )
    assert cli.run(["worker", "--once", "--dsn", database]) == 0
    assert own_engine.session.rows("select id from t") == [(1,)]
