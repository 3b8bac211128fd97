"""The life of a stream table from the shell, on a real engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgtrickle import cli

pytestmark = pytest.mark.every_server

Shell = Callable[..., tuple[int, str, str]]
TABLE = 'public."Totals per Customer"'


@pytest.fixture
def shell(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """Run a command on this test's database: its exit status and what it said."""
    monkeypatch.setenv("PGTRICKLE_DSN", database)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.run(list(arguments))
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def installed(shell: Shell, connection: psycopg.Connection[Any]) -> Shell:
    """The same, where the runtime and a source are there."""
    assert shell("install")[0] == 0
    connection.execute("create table orders (id int primary key, customer int, amount numeric)")
    connection.execute("insert into orders values (1, 1, 10), (2, 1, 5), (3, 2, 7)")
    return shell


def _create(shell: Shell) -> None:
    query = "select customer, sum(amount) as total from orders group by customer"
    assert shell("create", TABLE, "--query", query) == (0, f"Created stream table {TABLE}.\n", "")


def test_install_can_be_repeated_and_undone(shell: Shell) -> None:
    for command in ("install", "install", "uninstall", "uninstall"):
        status, said, complaint = shell(command)
        assert (status, complaint) == (0, "")
        assert said


def test_uninstall_refuses_while_there_are_stream_tables(installed: Shell) -> None:
    _create(installed)
    status, _, complaint = installed("uninstall")
    assert status == 2
    assert "Totals per Customer" in complaint
    assert installed("uninstall", "--force")[0] == 0


def test_a_stream_table_is_refreshed_and_verified(
    installed: Shell, connection: psycopg.Connection[Any]
) -> None:
    _create(installed)
    assert installed("verify", TABLE)[0] == 0
    connection.execute("insert into orders values (4, 2, 1)")
    assert installed("verify", TABLE)[0] == 1
    status, said, _ = installed("refresh", TABLE, "--json")
    assert status == 0
    assert [done["action"] for done in json.loads(said)] == ["DIFFERENTIAL"]
    assert installed("verify", "--all")[0] == 0
    rows = connection.execute(f"select * from {TABLE} order by 1").fetchall()
    assert rows == [(1, 15), (2, 8)]


def test_status_lists_what_there_is(installed: Shell) -> None:
    assert installed("status") == (0, "There are no stream tables.\n", "")
    _create(installed)
    assert installed("alter", TABLE, "--schedule", "5m")[0] == 0
    (listed,) = json.loads(installed("status", "--json")[1])
    assert listed["name"] == TABLE
    assert (listed["status"], listed["schedule"]) == ("ACTIVE", "5m")


def test_explain_takes_a_table_or_a_query(installed: Shell) -> None:
    _create(installed)
    of_table = json.loads(installed("explain", TABLE, "--json")[1])
    of_query = json.loads(installed("explain", "select amount from orders", "--json")[1])
    assert of_table["mode"] == of_query["mode"] == "DIFFERENTIAL"


def test_drop_is_the_end_of_it(installed: Shell) -> None:
    _create(installed)
    assert installed("drop", TABLE)[0] == 0
    status, _, complaint = installed("refresh", TABLE)
    assert status == 2
    assert "Totals per Customer" in complaint
    assert "Traceback" not in complaint
