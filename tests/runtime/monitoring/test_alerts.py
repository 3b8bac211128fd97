"""Refreshes tell what they did by NOTIFY."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.waiting import PATIENCE

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]
Heard = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def heard(owner: Connection, connect: Any) -> Heard:
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount int not null)"
    )
    owner.execute("insert into src.orders select i, i % 10, i from generate_series(1, 100) i")
    plans.totals(owner)
    listener = connect("reader")
    listener.execute("listen pg_trickle_alert")

    def events() -> list[dict[str, Any]]:
        # What the server has sent comes before the answer to a query.
        owner.execute('notify pg_trickle_alert, \'{"event": "end"}\'')
        found: list[dict[str, Any]] = []
        for told in listener.notifies(timeout=PATIENCE):
            event = json.loads(told.payload)
            if event["event"] == "end":
                break
            found.append(event)
        return found

    return events


def test_a_refresh_tells_what_it_did_and_none_when_nothing_changed(
    owner: Connection, heard: Heard
) -> None:
    plans.refresh(owner, "marts.totals")
    assert heard() == []
    owner.execute("insert into src.orders values (1000, 1, 5), (1001, 77, 6)")
    plans.refresh(owner, "marts.totals")
    (event,) = heard()
    assert event.pop("duration_ms") > 0
    assert event == {
        "event": "refresh_completed",
        "pgt_schema": "marts",
        "pgt_name": "totals",
        "st": "marts.totals",
        "action": "DIFFERENTIAL",
        "rows_inserted": 2,
        "rows_deleted": 1,
    }


def test_a_failure_is_told(owner: Connection, heard: Heard) -> None:
    owner.execute("alter table src.orders drop column amount cascade")
    assert plans.attempt(owner, "marts.totals").status == "FAILED"
    (event,) = heard()
    assert (event["event"], event["st"], event["consecutive_errors"]) == (
        "refresh_failed",
        "marts.totals",
        1,
    )
    assert "amount" in event["error"]
    assert len(event["error_code"]) == 5


@pytest.mark.parametrize(
    "quiet",
    [
        "select pgtrickle.alter_stream_table('marts.totals', pooler_compatibility_mode => true)",
        "set pg_trickle.alerts = 'off'",
    ],
)
def test_events_can_be_switched_off(owner: Connection, heard: Heard, quiet: str) -> None:
    owner.execute(quiet)
    owner.execute("insert into src.orders values (1000, 1, 5)")
    assert plans.refresh(owner, "marts.totals").action == "DIFFERENTIAL"
    assert heard() == []
