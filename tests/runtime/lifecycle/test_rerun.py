"""Declaring a stream table anew: refreshed where it is what is declared, else left alone."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.runtime import plans

from .facts import call, catalog, create, scalar
from .test_plan import QUERY, plan

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]


@pytest.fixture
def positive(owner: Connection) -> None:
    create(owner, "marts.positive", QUERY, schedule="5m")
    call(owner, "install_plan", "marts.positive", plan(owner))
    call(owner, "refresh_stream_table", "marts.positive")


def rerun(connection: Connection, query: str = QUERY, **options: Any) -> str | None:
    """What the refresh did; None where there was none."""
    named = {"schedule": "5m", **options}
    given = ", ".join(f"{name} => %s" for name in named)
    [outcome] = connection.execute(
        f"select action, status from pgtrickle._rerun('marts.positive', %s, {given})",
        [query, *named.values()],
    ).fetchall()
    return outcome.action if outcome.status == "COMPLETED" else outcome.status


def test_what_is_declared_is_refreshed(
    owner: Connection, writer: Connection, positive: None
) -> None:
    assert rerun(owner) == "NO_DATA"
    writer.execute("insert into src.orders values (7, 1, 7, 'g')")
    assert rerun(owner) == "DIFFERENTIAL"
    assert plans.difference(owner, "marts.positive") == []
    assert rerun(owner, compiler="by hand") == "NO_DATA"


@pytest.mark.parametrize(
    "other",
    [
        {"query": QUERY + " and true"},
        {"schedule": "6m"},
        {"refresh_mode": "FULL"},
        {"append_only": True},
        {"max_delta_fraction": 0.5},
        {"diamond_consistency": "none"},
        {"compiler": "another"},
    ],
)
def test_what_differs_is_left_to_create_or_replace(
    owner: Connection, writer: Connection, positive: None, other: dict[str, Any]
) -> None:
    before = catalog(owner, "positive")
    writer.execute("insert into src.orders values (7, 1, 7, 'g')")
    assert rerun(owner, **other) is None
    assert catalog(owner, "positive") == before
    assert plans.difference(owner, "marts.positive") != []


def test_so_is_a_query_that_reads_otherwise_now(owner: Connection, positive: None) -> None:
    query = "select * from src.orders"
    call(owner, "create_or_replace_stream_table", "marts.positive", query, schedule="5m")
    assert rerun(owner, query) is not None
    owner.execute("alter table src.orders add column late integer")
    assert rerun(owner, query) is None
    owner.execute("set search_path = src, public")
    assert rerun(owner, query) is None


def test_so_is_one_that_is_not_there_or_not_filled_or_maintained_by_writers(
    owner: Connection,
) -> None:
    assert rerun(owner) is None
    create(owner, "marts.positive", QUERY, schedule="5m", initialize=False)
    assert rerun(owner) is None
    call(owner, "drop_stream_table", "marts.positive")
    create(owner, "marts.positive", QUERY, refresh_mode="IMMEDIATE")
    assert rerun(owner, refresh_mode="IMMEDIATE") is None


def test_only_who_may_act_as_the_owner_refreshes_so(
    owner: Connection, connect: Any, positive: None
) -> None:
    owner.execute("grant select on marts.positive to pgt_test_reader")
    assert rerun(connect("reader")) is None
    assert rerun(connect()) == "NO_DATA"


def test_a_refresh_that_fails_is_recorded_and_returned(
    owner: Connection, writer: Connection
) -> None:
    query = "select id, 10 / (amount - 100) as share from src.orders"
    create(owner, "marts.positive", query, schedule="5m")
    writer.execute("insert into src.orders values (7, 1, 100, 'g')")
    assert rerun(owner, query) == "FAILED"
    assert scalar(owner, "select status from pgtrickle.pgt_stream_tables") == "ERROR"
