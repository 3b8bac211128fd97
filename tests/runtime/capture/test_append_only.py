"""append_only: a promise that is checked."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.conftest import Connect
from tests.runtime.waiting import PATIENCE

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def promised(owner: Connection) -> None:
    owner.execute("create table src.orders (id int primary key, customer int, amount int not null)")
    owner.execute("insert into src.orders select i, i, i from generate_series(1, 9) i")
    plans.positive_amounts(owner)
    owner.execute("select pgtrickle.alter_stream_table('marts.positive', append_only => true)")


def keeps(owner: Connection) -> bool:
    row = owner.execute("select is_append_only from pgtrickle.pgt_stream_tables").fetchone()
    assert row is not None
    return bool(row[0])


def test_a_promise_that_is_kept_stays(owner: Connection) -> None:
    owner.execute("insert into src.orders values (10, 1, 10)")
    assert plans.refresh(owner, "marts.positive").action == "DIFFERENTIAL"
    assert keeps(owner)


@pytest.mark.parametrize(
    "statement",
    ["update src.orders set amount = 5 where id = 1", "delete from src.orders where id = 1"],
)
def test_the_first_update_or_delete_ends_it_with_a_notice(
    owner: Connection, connect: Connect, statement: str
) -> None:
    notices: list[str] = []
    owner.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
    with connect() as listening:
        listening.execute("listen pg_trickle_alert")
        owner.execute(statement)
        assert plans.refresh(owner, "marts.positive").action == "DIFFERENTIAL"
        owner.execute("notify pg_trickle_alert, 'null'")  # the last one
        told = []
        for one in listening.notifies(timeout=PATIENCE):
            if one.payload == "null":
                break
            told.append(json.loads(one.payload))
    assert not keeps(owner)
    assert plans.difference(owner, "marts.positive") == []
    assert "append_only_reverted" in {one["event"] for one in told}
    assert any("marts.positive is append_only no more" in notice for notice in notices)


def test_a_truncation_is_found_as_ever(owner: Connection) -> None:
    owner.execute("truncate src.orders")
    plans.refresh(owner, "marts.positive")
    owner.execute("insert into src.orders values (1, 1, 1)")
    plans.refresh(owner, "marts.positive")
    assert plans.difference(owner, "marts.positive") == []


@pytest.mark.parametrize("mode", ["FULL", "IMMEDIATE"])
def test_it_is_refused_where_no_captured_changes_are_consumed(owner: Connection, mode: str) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="append_only is a promise"):
        owner.execute(
            "select pgtrickle.create_stream_table('marts.x', 'select id from src.orders',"
            " refresh_mode => %s, append_only => true)",
            (mode,),
        )
