"""Dropping stream tables, and what plain DDL on them leaves to be cleaned up."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.waiting import PATIENCE, begun

from .facts import call, catalog, create, hidden, rows, scalar

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]

TOTALS = "select customer, sum(amount) as total from src.orders group by customer"


def triggers(connection: Connection) -> int:
    return scalar(
        connection,
        "select count(*) from pg_trigger"
        " where tgrelid = 'src.orders'::regclass and not tgisinternal",
    )


def touch(owner: Connection) -> None:
    owner.execute("select pgtrickle._cleanup_dropped()")


def test_everything_goes(owner: Connection) -> None:
    plans.totals(owner)
    assert hidden(owner) != []
    call(owner, "drop_stream_table", "marts.totals")
    assert scalar(owner, "select to_regclass('marts.totals')") is None
    assert hidden(owner) == []
    assert triggers(owner) == 0
    for table in ("stream_tables", "dependencies", "refresh_history", "plans", "frontiers"):
        assert scalar(owner, f"select count(*) from pgtrickle.pgt_{table}") == 0


def test_capture_stays_while_another_consumes_it(owner: Connection) -> None:
    plans.totals(owner)
    plans.positive_amounts(owner)
    call(owner, "drop_stream_table", "marts.totals")
    assert triggers(owner) == 4
    call(owner, "drop_stream_table", "marts.positive")
    assert triggers(owner) == 0


def test_stream_tables_that_read_it_are_listed(owner: Connection) -> None:
    create(owner, "marts.totals", TOTALS)
    create(owner, "marts.b", "select total from marts.totals")
    create(owner, "marts.c", "select total from marts.b")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match=r"marts\.b, marts\.c"):
        call(owner, "drop_stream_table", "marts.totals")
    assert len(rows(owner, "marts.c")) == 2
    call(owner, "drop_stream_table", "marts.totals", cascade=True)
    assert scalar(owner, "select count(*) from pgtrickle.pgt_stream_tables") == 0
    assert (
        scalar(owner, "select count(*) from pg_class where relnamespace = 'marts'::regnamespace")
        == 0
    )


def test_views_that_read_it_need_cascade_too(owner: Connection) -> None:
    create(owner, "marts.totals", TOTALS)
    owner.execute("create view marts.v as select * from marts.totals")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        call(owner, "drop_stream_table", "marts.totals")
    call(owner, "drop_stream_table", "marts.totals", True)
    assert scalar(owner, "select to_regclass('marts.v')") is None


def test_what_is_no_stream_table_is_refused(owner: Connection) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable, match="does not exist"):
        call(owner, "drop_stream_table", "src.orders")
    assert len(rows(owner, "src.orders")) == 3


def test_only_the_owner_drops(owner: Connection, connect: Any) -> None:
    create(owner, "marts.totals", TOTALS)
    owner.execute("grant select on marts.totals to pgt_test_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="must be owner"):
        call(connect("reader"), "drop_stream_table", "marts.totals")
    call(connect(), "drop_stream_table", "marts.totals")


def test_a_rolled_back_drop_changes_nothing(owner: Connection) -> None:
    plans.positive_amounts(owner)
    with owner.transaction(force_rollback=True):
        call(owner, "drop_stream_table", "marts.positive")
    owner.execute("insert into src.orders values (9, 9, 9, 'z')")
    assert plans.refresh(owner, "marts.positive").action == "DIFFERENTIAL"
    assert plans.difference(owner, "marts.positive") == []


def test_a_plain_drop_is_noticed_at_the_next_touch(owner: Connection) -> None:
    plans.totals(owner)
    owner.execute("drop table marts.totals")
    create(owner, "marts.b", "select id from src.orders")
    assert catalog(owner, "totals") is None
    assert triggers(owner) == 0
    assert [name for name in hidden(owner) if name.startswith(("s_", "changes", "capture"))] == []


def test_a_plain_drop_is_cleaned_up_by_whoever_comes_as_far_as_rights_go(
    owner: Connection, connect: Any
) -> None:
    plans.totals(owner)
    owner.execute("drop table marts.totals")
    touch(connect("reader"))
    assert scalar(connect(), "select count(*) from pgtrickle.pgt_stream_tables") == 0
    assert triggers(owner) == 0
    assert hidden(owner) != []
    touch(owner)
    assert hidden(owner) == []


def test_another_role_can_take_the_name_of_a_dropped_table(owner: Connection, connect: Any) -> None:
    create(owner, "marts.totals", TOTALS)
    owner.execute("drop table marts.totals")
    owner.execute("grant create on schema marts to pgt_test_writer")
    create(connect("writer"), "marts.totals", "select id from src.orders")
    assert len(rows(connect("writer"), "marts.totals")) == 3


def test_renames_are_followed(owner: Connection) -> None:
    create(owner, "marts.totals", TOTALS)
    owner.execute("alter table marts.totals rename to sums")
    owner.execute("alter table marts.sums set schema src")
    call(owner, "refresh_stream_table", "src.sums")
    row = catalog(owner, "sums")
    assert (row.pgt_schema, row.status) == ("src", "ACTIVE")
    with pytest.raises(psycopg.errors.UndefinedTable):
        call(owner, "refresh_stream_table", "marts.totals")
    call(owner, "drop_stream_table", "src.sums")


def test_two_tables_may_swap_their_names(owner: Connection) -> None:
    create(owner, "marts.a", "select id from src.orders")
    create(owner, "marts.b", "select note from src.orders")
    a = catalog(owner, "a").pgt_id
    owner.execute("alter table marts.a rename to c")
    owner.execute("alter table marts.b rename to a")
    owner.execute("alter table marts.c rename to b")
    touch(owner)
    assert catalog(owner, "b").pgt_id == a


def test_a_table_may_take_the_name_of_one_dropped_and_not_yet_cleaned_up(owner: Connection) -> None:
    create(owner, "marts.a", "select id from src.orders")
    create(owner, "marts.b", "select note from src.orders")
    b = catalog(owner, "b").pgt_id
    owner.execute("drop table marts.a")
    owner.execute("alter table marts.b rename to a")
    call(owner, "refresh_stream_table", "marts.a")
    assert catalog(owner, "a").pgt_id == b
    touch(owner)
    assert scalar(owner, "select count(*) from pgtrickle.pgt_stream_tables") == 1


def test_a_table_may_take_the_name_that_another_role_s_table_had(
    owner: Connection, connect: Any
) -> None:
    owner.execute("grant create on schema marts to pgt_test_writer")
    writer = connect("writer")
    create(owner, "marts.a", "select id from src.orders")
    create(writer, "marts.b", "select id from src.orders")
    owner.execute("alter table marts.a rename to c")
    writer.execute("alter table marts.b rename to a")
    call(writer, "refresh_stream_table", "marts.a")
    assert {catalog(connect(), name).pgt_name for name in ("a", "c")} == {"a", "c"}


def test_a_failed_table_is_resumed(owner: Connection) -> None:
    create(owner, "marts.q", "select 10 / id as q from src.orders")
    call(owner, "pause_stream_table", "marts.q")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="suspended"):
        call(owner, "refresh_stream_table", "marts.q")
    owner.execute("listen pg_trickle_alert")
    call(owner, "resume_stream_table", "marts.q")
    assert catalog(owner, "q").status == "ACTIVE"
    events = [event.payload for event in owner.notifies(timeout=PATIENCE, stop_after=1)]
    assert '"resumed"' in events[0]
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="not suspended"):
        call(owner, "resume_stream_table", "marts.q")


@pytest.mark.parametrize(
    "refresh",
    [
        "select pgtrickle.refresh_stream_table('marts.totals')",
        "select (pgtrickle.try_refresh('marts.totals', mode => 'FULL')).error_code",
    ],
)
def test_a_refresh_that_waited_for_a_drop_says_so(
    owner: Connection, connect: Any, refresh: str
) -> None:
    plans.totals(owner)
    dropping = connect("owner", autocommit=False)
    call(dropping, "drop_stream_table", "marts.totals")
    refreshed = begun(lambda: owner.execute(refresh).fetchone(), owner, connect())
    dropping.commit()
    try:
        (code,) = refreshed.result(PATIENCE)
    except psycopg.Error as error:
        code = error.sqlstate
    assert code == "42P01"
