# ruff: noqa: E501 -- an SQL statement reads best on one line
"""The fuse: too many changes suspend a stream table instead of being applied."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.waiting import PATIENCE

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def totals(owner: Connection) -> None:
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount int not null)"
    )
    owner.execute("insert into src.orders select i, i % 10, i from generate_series(1, 1000) i")
    owner.execute("analyze src.orders")
    plans.totals(owner)
    plans.positive_amounts(owner)


def fuse(connection: Connection, **options: Any) -> None:
    named = "".join(f", {name} => %s" for name in options)
    connection.execute(
        f"select pgtrickle.alter_stream_table('marts.totals'{named})", [*options.values()]
    )


def state(connection: Connection) -> Any:
    return connection.execute(
        "select * from pgtrickle.pgt_stream_tables where pgt_name = 'totals'"
    ).fetchone()


def add(connection: Connection, number: int, first: int = 2000) -> None:
    connection.execute(
        "insert into src.orders select i, mod(i, 10), 1 from generate_series(%s::int, %s) i",
        [first, first + number - 1],
    )


def blow(connection: Connection) -> Any:
    fuse(connection, fuse="on", fuse_ceiling=10)
    add(connection, 11)
    return plans.refresh(connection, "marts.totals")


def test_the_fuse_blows_past_the_ceiling_and_not_at_it(owner: Connection) -> None:
    fuse(owner, fuse="on", fuse_ceiling=10)
    add(owner, 10)
    assert plans.refresh(owner, "marts.totals").action == "DIFFERENTIAL"
    add(owner, 11, 3000)
    outcome = plans.refresh(owner, "marts.totals")
    assert (outcome.status, outcome.action) == ("SKIPPED", "SKIP")
    assert "11 pending changes exceed the ceiling of 10" in outcome.reason
    row = state(owner)
    assert (row.status, row.fuse_state) == ("SUSPENDED", "blown")
    assert row.blown_at is not None
    assert row.blow_reason == "11 pending changes exceed the ceiling of 10"
    assert plans.difference(owner, "marts.totals") != []


def test_by_hand_the_first_refresh_warns_and_the_next_names_the_way_out(owner: Connection) -> None:
    warnings: list[str] = []
    owner.add_notice_handler(lambda notice: warnings.append(str(notice.message_primary)))
    fuse(owner, fuse="on", fuse_ceiling=10)
    add(owner, 11)
    owner.execute("select pgtrickle.refresh_stream_table('marts.totals')")
    assert any("the fuse blew" in warning for warning in warnings)
    assert state(owner).fuse_state == "blown"
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="reset_fuse"):
        owner.execute("select pgtrickle.refresh_stream_table('marts.totals')")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="reset_fuse"):
        owner.execute("select pgtrickle.resume_stream_table('marts.totals')")


def test_only_this_tables_own_pending_changes_count(owner: Connection) -> None:
    fuse(owner, fuse="on", fuse_ceiling=10)
    for first in (2000, 2010, 2020):
        add(owner, 9, first)
        # marts.positive consumes nothing meanwhile, so the shared buffer holds more than ten rows.
        assert plans.refresh(owner, "marts.totals").action == "DIFFERENTIAL"
    assert state(owner).fuse_state == "armed"


def test_auto_blows_only_where_recomputing_would_be_cheaper(owner: Connection) -> None:
    fuse(owner, fuse="auto", fuse_ceiling=10)
    add(owner, 100)
    assert plans.refresh(owner, "marts.totals").action == "DIFFERENTIAL"
    add(owner, 400, 5000)
    assert plans.refresh(owner, "marts.totals").action == "SKIP"
    assert "recomputing would be cheaper" in state(owner).blow_reason


def test_sensitivity_counts_consecutive_observations(owner: Connection) -> None:
    fuse(owner, fuse="on", fuse_ceiling=10, fuse_sensitivity=2)
    actions = []
    for round_, number in enumerate((11, 1, 11, 11)):
        add(owner, number, 2000 + 100 * round_)
        actions.append(plans.refresh(owner, "marts.totals").action)
    assert actions == ["DIFFERENTIAL", "DIFFERENTIAL", "DIFFERENTIAL", "SKIP"]
    assert "2 times in a row" in state(owner).blow_reason


def test_the_default_ceiling_is_a_setting(owner: Connection) -> None:
    fuse(owner, fuse="on")
    ceiling = "select fuse_ceiling, effective_ceiling from pgtrickle.fuse_status() where stream_table = 'marts.totals'"
    assert tuple(owner.execute(ceiling).fetchone() or ()) == (None, None)
    owner.execute("set pg_trickle.fuse_default_ceiling = 5")
    assert tuple(owner.execute(ceiling).fetchone() or ()) == (None, 5)
    add(owner, 6)
    assert plans.refresh(owner, "marts.totals").action == "SKIP"
    fuse(owner, fuse="off")
    assert tuple(owner.execute(ceiling).fetchone() or ()) == (None, None)


def test_a_truncation_counts_as_the_rows_of_the_stream_table(owner: Connection) -> None:
    fuse(owner, fuse="on", fuse_ceiling=9)
    owner.execute("truncate src.orders")
    assert plans.refresh(owner, "marts.totals").action == "SKIP"


def test_the_blow_is_told_by_notify(owner: Connection, connect: Any) -> None:
    listener = connect("owner")
    listener.execute("listen pgtrickle_alert")
    blow(owner)
    (told,) = list(listener.notifies(timeout=PATIENCE, stop_after=1))
    payload = json.loads(told.payload)
    assert (payload["event"], payload["stream_table"]) == ("fuse_blown", "marts.totals")
    assert (payload["pending"], payload["ceiling"]) == (11, 10)


@pytest.mark.parametrize("action", ["apply", "REINITIALIZE"])
def test_reset_brings_the_table_up_to_date_past_the_fuse(owner: Connection, action: str) -> None:
    blow(owner)
    owner.execute("select pgtrickle.reset_fuse('marts.totals', %s)", [action])
    row = state(owner)
    assert (row.status, row.fuse_state, row.blown_at, row.blow_reason) == (
        "ACTIVE",
        "armed",
        None,
        None,
    )
    assert plans.difference(owner, "marts.totals") == []
    assert plans.refresh(owner, "marts.totals").action == "NO_DATA"


def test_skipping_changes_touches_no_other_table(owner: Connection) -> None:
    before = owner.execute("table marts.totals order by 1").fetchall()
    blow(owner)
    owner.execute("select pgtrickle.reset_fuse('marts.totals', 'skip_changes')")
    assert plans.refresh(owner, "marts.totals").action == "NO_DATA"
    assert owner.execute("table marts.totals order by 1").fetchall() == before
    assert plans.refresh(owner, "marts.positive").delta_row_count == 11
    assert plans.difference(owner, "marts.positive") == []
    # What comes later is applied to what is there.
    owner.execute("insert into src.orders values (9000, 1, 100)")
    plans.refresh(owner, "marts.totals")
    gained = owner.execute("select total from marts.totals where customer = 1").fetchone()
    assert gained is not None
    assert gained[0] == dict(before)[1] + 100


def test_a_skipped_truncation_is_not_noticed_later(owner: Connection) -> None:
    fuse(owner, fuse="on", fuse_ceiling=5)
    before = owner.execute("table marts.totals order by 1").fetchall()
    owner.execute("truncate src.orders")
    plans.refresh(owner, "marts.totals")
    owner.execute("select pgtrickle.reset_fuse('marts.totals', 'skip_changes')")
    assert plans.refresh(owner, "marts.totals").action == "NO_DATA"
    assert owner.execute("table marts.totals order by 1").fetchall() == before


def test_reset_is_for_a_blown_fuse_and_its_owner(owner: Connection, writer: Connection) -> None:
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="not blown"):
        owner.execute("select pgtrickle.reset_fuse('marts.totals')")
    blow(owner)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="action"):
        owner.execute("select pgtrickle.reset_fuse('marts.totals', 'ignore')")
    owner.execute("grant select on marts.totals to pgt_test_writer")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="must be owner"):
        writer.execute("select pgtrickle.reset_fuse('marts.totals')")


def test_switching_the_fuse_off_lets_the_table_be_resumed(owner: Connection) -> None:
    blow(owner)
    fuse(owner, fuse="off")
    assert (state(owner).fuse_state, state(owner).status) == ("disabled", "SUSPENDED")
    owner.execute("select pgtrickle.resume_stream_table('marts.totals')")
    assert plans.refresh(owner, "marts.totals").action == "DIFFERENTIAL"
    fuse(owner, fuse="on")
    assert state(owner).fuse_state == "armed"


@pytest.mark.parametrize(
    ("option", "value"), [("fuse", "maybe"), ("fuse_ceiling", 0), ("fuse_sensitivity", 0)]
)
def test_options_that_mean_nothing_are_refused(owner: Connection, option: str, value: Any) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=option):
        fuse(owner, **{option: value})
