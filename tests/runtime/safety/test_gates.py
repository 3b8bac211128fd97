# ruff: noqa: E501 -- an SQL statement reads best on one line
"""Gates and watermarks hold refreshes back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.conftest import Connect
from tests.runtime.waiting import PATIENCE, begun

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def totals(owner: Connection) -> None:
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount int not null)"
    )
    owner.execute('create table src."Other ""s""" (id int primary key)')
    owner.execute("insert into src.orders select i, i % 10, i from generate_series(1, 100) i")
    plans.totals(owner)


def test_a_gate_holds_dependents_back_until_it_is_opened(
    owner: Connection, writer: Connection
) -> None:
    writer.execute("select pgtrickle.gate_source('src.orders')")
    owner.execute("insert into src.orders values (1000, 1, 1)")
    for _ in range(3):
        outcome = plans.refresh(owner, "marts.totals")
        assert (outcome.status, outcome.action, outcome.reason) == (
            "SKIPPED",
            "SKIP",
            "source src.orders is gated",
        )
    skipped = owner.execute(
        "select status from pgtrickle.pgt_refresh_history where action = 'SKIP'"
    ).fetchall()
    assert [tuple(row) for row in skipped] == [("SKIPPED",)]
    writer.execute("select pgtrickle.ungate_source('src.orders')")
    assert plans.refresh(owner, "marts.totals").action == "DIFFERENTIAL"
    assert plans.difference(owner, "marts.totals") == []


def test_a_scheduler_does_not_keep_asking_for_what_is_held_back(owner: Connection) -> None:
    def due() -> list[str]:
        return [row.name for row in owner.execute("select name from pgtrickle._due()")]

    owner.execute("select pgtrickle.alter_stream_table('marts.totals', schedule => '1h')")
    owner.execute("update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '2 h'")
    owner.execute("select pgtrickle.gate_source('src.orders')")
    assert due() == ["marts.totals"]
    plans.refresh(owner, "marts.totals")
    assert due() == []
    owner.execute("select pgtrickle.ungate_source('src.orders')")
    assert due() == ["marts.totals"]


def test_gating_is_idempotent_and_listed(owner: Connection) -> None:
    owner.execute("select pgtrickle.gate_source('src.orders')")
    before = owner.execute("select * from pgtrickle.source_gates()").fetchall()
    owner.execute("select pgtrickle.gate_source('src.orders')")
    assert owner.execute("select * from pgtrickle.source_gates()").fetchall() == before
    (row,) = owner.execute("select * from pgtrickle.bootstrap_gate_status()").fetchall()
    assert (row.source_table, row.schema_name, row.gated, row.gated_by) == (
        "orders",
        "src",
        True,
        "pgt_test_owner",
    )
    assert row.affected_stream_tables == "marts.totals"
    owner.execute("select pgtrickle.ungate_source('src.orders')")
    owner.execute("select pgtrickle.ungate_source('src.orders')")
    (row,) = owner.execute("select * from pgtrickle.source_gates()").fetchall()
    assert row.gated is False
    assert row.ungated_at is not None


def test_a_gate_outlives_the_rebuilding_of_its_source(owner: Connection) -> None:
    owner.execute("select pgtrickle.gate_source('src.orders')")
    owner.execute("create table src.new (like src.orders including all)")
    owner.execute(
        "alter table src.orders rename to old; alter table src.new rename to orders; drop table src.old"
    )
    assert plans.refresh(owner, "marts.totals").action == "SKIP"
    owner.execute("select pgtrickle.ungate_source('src.orders')")
    assert plans.refresh(owner, "marts.totals").action == "REINITIALIZE"
    assert plans.difference(owner, "marts.totals") == []


def test_other_sources_are_not_held_back(owner: Connection) -> None:
    owner.execute("select pgtrickle.gate_source(%s)", ['src."Other ""s"""'])
    assert plans.refresh(owner, "marts.totals").action == "NO_DATA"


def test_only_writers_of_a_source_gate_it(owner: Connection, connect: Any) -> None:
    for call in (
        "gate_source('src.orders')",
        "ungate_source('src.orders')",
        "advance_watermark('src.orders', now())",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connect("reader").execute(f"select pgtrickle.{call}")
    with pytest.raises(psycopg.errors.UndefinedTable):
        owner.execute("select pgtrickle.gate_source('src.nothing')")


def test_creating_a_table_fills_it_in_spite_of_a_gate(owner: Connection) -> None:
    owner.execute("select pgtrickle.gate_source('src.orders')")
    plans.positive_amounts(owner)
    assert plans.difference(owner, "marts.positive") == []


def test_sources_of_a_group_must_be_equally_complete(owner: Connection) -> None:
    owner.execute("create table src.rates (customer int primary key)")
    owner.execute(
        "select pgtrickle.create_stream_table('marts.rated', 'select o.id from src.orders o join src.rates r using (customer)')"
    )
    owner.execute(
        "select pgtrickle.create_watermark_group('daily', array['src.orders', 'src.rates'], 60)"
    )
    assert plans.refresh(owner, "marts.rated").status == "COMPLETED"
    owner.execute("select pgtrickle.advance_watermark('src.orders', '2026-01-02 00:00Z')")
    owner.execute("select pgtrickle.advance_watermark('src.rates', '2026-01-01 00:00Z')")
    outcome = plans.refresh(owner, "marts.rated")
    assert (outcome.action, outcome.reason) == (
        "SKIP",
        'watermarks of group "daily" are 86400.000 s apart',
    )
    assert plans.refresh(owner, "marts.totals").status == "COMPLETED"
    status: Any = owner.execute("select * from pgtrickle.watermark_status()").fetchone()
    assert (
        status.lag_secs,
        status.aligned,
        status.sources_with_watermark,
        status.sources_total,
    ) == (86400, False, 2, 2)
    owner.execute("select pgtrickle.advance_watermark('src.rates', '2026-01-01 23:59Z')")
    assert plans.refresh(owner, "marts.rated").status == "COMPLETED"
    assert len(owner.execute("select * from pgtrickle.watermarks()").fetchall()) == 2
    owner.execute("select pgtrickle.drop_watermark_group('daily')")
    assert owner.execute("select * from pgtrickle.watermark_groups()").fetchall() == []


def test_a_watermark_never_goes_back(owner: Connection) -> None:
    owner.execute("select pgtrickle.advance_watermark('src.orders', '2026-01-02')")
    owner.execute("select pgtrickle.advance_watermark('src.orders', '2026-01-02')")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="cannot go back"):
        owner.execute("select pgtrickle.advance_watermark('src.orders', '2026-01-01')")


@contextlib.contextmanager
def refreshing(connect: Connect, name: str, locked: str) -> Iterator[Future[Any]]:
    """A refresh that has looked for what holds it back and waits for a source; its outcome, after."""
    with connect(autocommit=False) as blocker, connect("owner") as refresher:
        blocker.execute(f"lock table {locked} in access exclusive mode")
        outcome = begun(lambda: plans.refresh(refresher, name), refresher, connect())
        yield outcome
        blocker.rollback()
        outcome.result(PATIENCE)


def test_what_is_loaded_behind_a_gate_is_not_seen_by_a_refresh_that_had_begun(
    owner: Connection, connect: Connect
) -> None:
    owner.execute("insert into src.orders values (1000, 1, 1)")
    loader = connect("owner")

    def load() -> None:
        loader.execute("select pgtrickle.gate_source('src.orders')")
        loader.execute("insert into src.orders values (1001, 2, 1)")

    before = owner.execute("table marts.totals").fetchall()
    with refreshing(connect, "marts.totals", "src.orders") as outcome:
        loaded = begun(load, loader, connect())
    loaded.result(PATIENCE)
    assert outcome.result().action == "DIFFERENTIAL"
    changed = set(owner.execute("table marts.totals").fetchall()) - set(before)
    assert {row.customer for row in changed} == {1}
    assert plans.refresh(owner, "marts.totals").action == "SKIP"


def test_what_is_loaded_with_a_watermark_is_not_seen_without_it(
    owner: Connection, connect: Connect
) -> None:
    owner.execute("create table src.rates (customer int primary key)")
    owner.execute("insert into src.rates values (1), (2)")
    owner.execute(
        "select pgtrickle.create_stream_table('marts.rated', 'select o.id from src.orders o join src.rates r using (customer)')"
    )
    owner.execute(
        "select pgtrickle.create_watermark_group('daily', array['src.orders', 'src.rates'])"
    )
    for source in ("src.orders", "src.rates"):
        owner.execute("select pgtrickle.advance_watermark(%s, '2026-01-01 00:00Z')", [source])
    loader = connect("owner")

    def load() -> None:
        with loader.transaction():
            loader.execute("insert into src.orders values (1001, 1, 1)")
            loader.execute("select pgtrickle.advance_watermark('src.orders', '2026-01-02 00:00Z')")

    with refreshing(connect, "marts.rated", "src.rates"):
        loaded = begun(load, loader, connect())
    loaded.result(PATIENCE)
    assert owner.execute("select from marts.rated where id = 1001").fetchall() == []
    assert plans.refresh(owner, "marts.rated").action == "SKIP"
