# ruff: noqa: E501 -- an SQL statement reads best on one line
"""What is captured, for whom, and that neither purge nor widening loses anything."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.conftest import Connect
from tests.runtime.waiting import PATIENCE, begun

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]


@pytest.fixture
def orders(owner: Connection) -> None:
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount int not null, note text)"
    )
    owner.execute("insert into src.orders select i, i % 10, i - 50 from generate_series(1, 100) i")


def value(connection: Connection, query: str, *parameters: Any) -> Any:
    row = connection.execute(query, parameters or None).fetchone()
    assert row is not None
    return row[0]


def relid(connection: Connection, name: str) -> int:
    return int(value(connection, "select %s::regclass::oid::bigint", name))


def assert_current(owner: Connection, *names: str, action: str | None = None) -> None:
    for name in names:
        outcome = plans.refresh(owner, name)
        assert plans.difference(owner, name) == [], name
        if action is not None:
            assert outcome.action == action, outcome


def test_a_table_created_at_an_old_snapshot_misses_no_writer(
    connect: Connect, owner: Connection, writer: Connection, orders: None
) -> None:
    repeatable = connect("owner", autocommit=False)
    repeatable.execute("set transaction isolation level repeatable read")
    repeatable.execute("select count(*) from src.orders")
    writer.execute("insert into src.orders values (500, 1, 500)")
    plans.positive_amounts(repeatable)
    repeatable.commit()
    writer.execute("insert into src.orders values (501, 1, 501)")
    assert_current(owner, "marts.positive")
    writer.execute("delete from src.orders where id = 500")
    assert_current(owner, "marts.positive", action="DIFFERENTIAL")


def test_an_old_snapshot_does_not_read_what_was_rebuilt_since(
    connect: Connect, owner: Connection, orders: None
) -> None:
    plans.positive_amounts(owner)
    repeatable = connect("owner", autocommit=False)
    repeatable.execute("set transaction isolation level repeatable read")
    repeatable.execute("select 1")
    with owner.transaction():
        owner.execute("create table src.rebuilt (like src.orders including all)")
        owner.execute("insert into src.rebuilt select * from src.orders where id > 50")
        owner.execute("drop table src.orders")
        owner.execute("alter table src.rebuilt rename to orders")
    with pytest.raises(psycopg.errors.SerializationFailure, match="since the transaction began"):
        repeatable.execute("select pgtrickle.refresh_stream_table('marts.positive')")
    repeatable.rollback()
    repeatable.execute("set transaction isolation level repeatable read")
    repeatable.execute("select pgtrickle.refresh_stream_table('marts.positive')")
    repeatable.commit()
    assert_current(owner, "marts.positive")


# --- partitions ---------------------------------------------------------------------------------


@pytest.fixture
def partitioned(owner: Connection) -> None:
    owner.execute(
        "create table src.p (id int not null, customer int not null, amount int not null) partition by range (id)"
    )
    owner.execute(
        "create table src.p_low partition of src.p for values from (0) to (100) partition by range (id)"
    )
    owner.execute("create table src.p_low_a partition of src.p_low for values from (0) to (50)")
    owner.execute(
        "create table src.p_low_b (extra_first int, amount int not null, id int not null, customer int not null)"
    )
    owner.execute("alter table src.p_low_b drop column extra_first")
    owner.execute(
        "alter table src.p_low attach partition src.p_low_b for values from (50) to (100)"
    )
    owner.execute("create table src.p_high partition of src.p for values from (100) to (1000)")
    owner.execute("insert into src.p select i, i % 10, i from generate_series(0, 199) i")
    plans.totals(owner, "marts.ptotals", "src.p")
    plans.positive_amounts(owner, "marts.ppositive", "src.p")


@pytest.mark.parametrize(
    "statement",
    [
        "insert into src.{0} (id, customer, amount) values (55, 3, 3)",
        "update src.{0} set amount = amount + 1 where id in (55, 60)",
        "delete from src.{0} where id between 55 and 60",
    ],
)
@pytest.mark.parametrize("member", ["p", "p_low", "p_low_b"])
def test_changes_through_every_member_are_captured_once(
    owner: Connection, writer: Connection, partitioned: None, statement: str, member: str
) -> None:
    writer.execute("delete from src.p where id = 55")
    writer.execute(statement.format(member))
    assert_current(owner, "marts.ptotals", "marts.ppositive", action="DIFFERENTIAL")


def test_rows_that_move_between_partitions(
    owner: Connection, writer: Connection, partitioned: None
) -> None:
    writer.execute("update src.p set id = id + 500 where id < 120")
    writer.execute("update src.p_low set id = 99 - id, amount = amount + 1")
    assert_current(owner, "marts.ptotals", "marts.ppositive", action="DIFFERENTIAL")


def test_truncate_of_one_partition(
    owner: Connection, writer: Connection, partitioned: None
) -> None:
    writer.execute("truncate src.p_low_a")
    assert_current(owner, "marts.ptotals", "marts.ppositive")


def test_attached_and_detached_partitions_are_noticed(
    owner: Connection, writer: Connection, partitioned: None
) -> None:
    owner.execute("create table src.p_new (like src.p)")
    owner.execute("insert into src.p_new values (1001, 1, 1)")
    owner.execute("alter table src.p attach partition src.p_new for values from (1000) to (2000)")
    outcome = plans.refresh(owner, "marts.ptotals")
    assert (outcome.action, "partition" in outcome.reason) == ("REINITIALIZE", True)
    assert_current(owner, "marts.ptotals", "marts.ppositive")
    writer.execute("insert into src.p_new values (1002, 1, 1)")
    assert_current(owner, "marts.ptotals", "marts.ppositive", action="DIFFERENTIAL")
    owner.execute("alter table src.p detach partition src.p_new")
    writer.execute("insert into src.p_new values (1003, 1, 1)")
    assert_current(owner, "marts.ptotals", "marts.ppositive")
    writer.execute("update src.p_new set amount = 5")
    assert_current(owner, "marts.ptotals", "marts.ppositive", action="NO_DATA")


def test_a_partition_written_while_it_was_detached_is_noticed(
    owner: Connection, partitioned: None
) -> None:
    owner.execute("alter table src.p detach partition src.p_high")
    owner.execute("update src.p_high set amount = amount + 7")
    owner.execute("alter table src.p attach partition src.p_high for values from (100) to (1000)")
    outcome = plans.refresh(owner, "marts.ptotals")
    assert (outcome.action, "detached" in outcome.reason) == ("REINITIALIZE", True)
    assert_current(owner, "marts.ptotals", "marts.ppositive")


# --- what capture cannot see --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tampering", "reason"),
    [
        ("alter table src.orders disable trigger pgtrickle_capture_insert", "trigger"),
        (
            "alter table src.orders disable trigger user; alter table src.orders enable trigger user",
            "trigger",
        ),
        ("drop trigger pgtrickle_capture_update on src.orders", "trigger"),
        (
            "alter table src.orders alter column note type varchar(100); vacuum full src.orders",
            "rewritten",
        ),
    ],
)
def test_tampering_is_noticed_by_every_consumer(
    owner: Connection, writer: Connection, orders: None, tampering: str, reason: str
) -> None:
    plans.positive_amounts(owner)
    plans.totals(owner)
    for statement in tampering.split("; "):
        owner.execute(statement)
    writer.execute("insert into src.orders values (500, 1, 500)")
    writer.execute("update src.orders set amount = amount + 1 where id > 90")
    for name in ("marts.positive", "marts.totals"):
        outcome = plans.refresh(owner, name)
        assert outcome.action == "REINITIALIZE"
        assert reason in outcome.reason or "missed" in outcome.reason
        assert plans.difference(owner, name) == []
    writer.execute("delete from src.orders where id > 95")
    assert_current(owner, "marts.positive", "marts.totals", action="DIFFERENTIAL")


def test_writes_as_replica_are_captured_where_the_source_is_ones_own(
    owner: Connection, connect: Connect, orders: None
) -> None:
    plans.positive_amounts(owner)
    plans.totals(owner)
    loading = connect()
    loading.execute("set session_replication_role = replica")
    loading.execute("insert into src.orders values (500, 1, 500), (501, 7, 5)")
    loading.execute("update src.orders set amount = amount + 1 where id > 90")
    loading.execute("delete from src.orders where id between 10 and 20")
    assert_current(owner, "marts.positive", "marts.totals", action="DIFFERENTIAL")
    loading.execute("truncate src.orders")
    assert_current(owner, "marts.positive", "marts.totals", action="REINITIALIZE")


def test_an_older_snapshot_sees_two_versions_of_a_relation_it_has_altered(
    owner: Connection, connect: Connect, orders: None
) -> None:
    """That of before somebody else altered it, and its own."""
    plans.totals(owner)
    altered = "alter table {} set (autovacuum_vacuum_threshold = {})"
    relations = ("src.orders", "marts.totals")
    with connect("owner", autocommit=False) as older:
        older.execute("set transaction isolation level repeatable read")
        # An index finds both where the second did not fit on the page of the first.
        older.execute("set enable_indexscan = off; set enable_bitmapscan = off; select")
        for number, session in enumerate((owner, older)):
            for relation in relations:
                session.execute(altered.format(relation, 100 + number))
        seen = "select count(*) from pg_class where oid = 'src.orders'::regclass"
        assert value(older, seen) == 2
        older.execute("insert into src.orders values (500, 1, 500)")
        assert plans.refresh(older, "marts.totals").status == "COMPLETED"
        older.execute("select pgtrickle._install_capture('src.orders'::regclass, '{customer}')")
        older.commit()
    owner.execute("delete from src.orders where id = 500")
    assert_current(owner, "marts.totals")


def test_a_source_swapped_under_its_name_is_rebound(
    owner: Connection, writer: Connection, orders: None
) -> None:
    plans.positive_amounts(owner)
    plans.totals(owner)
    old = relid(owner, "src.orders")
    owner.execute("create table src.orders_new (like src.orders including all)")
    owner.execute("insert into src.orders_new select * from src.orders where id > 10")
    with owner.transaction():
        owner.execute("drop table src.orders")
        owner.execute("alter table src.orders_new rename to orders")
    outcome = plans.refresh(owner, "marts.positive")
    assert (outcome.action, "rebuilt" in outcome.reason) == ("REINITIALIZE", True)
    assert_current(owner, "marts.positive", "marts.totals")
    writer.execute("insert into src.orders values (500, 1, 500)")
    assert_current(owner, "marts.positive", "marts.totals", action="DIFFERENTIAL")
    assert (
        value(owner, "select count(*) from pgtrickle.pgt_captures where source_relid = %s", old)
        == 0
    )
    assert value(owner, "select to_regclass(%s)", f"pgtrickle_changes.changes_{old}_0") is None


def test_a_rebuilt_source_of_other_types_sets_the_plan_pending(
    owner: Connection, orders: None
) -> None:
    plans.positive_amounts(owner)
    owner.execute("drop table src.orders")
    owner.execute("create table src.orders (id int, customer int, amount smallint)")
    owner.execute("insert into src.orders values (1, 1, 5)")
    outcome = plans.refresh(owner, "marts.positive")
    assert "amount" in outcome.reason
    assert owner.execute("select * from marts.positive").fetchall() == [(1, 5)]
    assert value(owner, "select plan_status from pgtrickle.pgt_plans") == "PENDING"


def test_a_missing_source_is_named_and_the_table_keeps_serving(
    owner: Connection, orders: None
) -> None:
    plans.positive_amounts(owner)
    owner.execute("drop table src.orders")
    outcome = plans.attempt(owner, "marts.positive")
    assert (outcome.status, outcome.error_code) == ("FAILED", "42P01")
    assert "marts.positive" in outcome.error_message
    assert "src.orders" in outcome.error_message
    assert value(owner, "select status from pgtrickle.pgt_stream_tables") == "ERROR"
    assert value(owner, "select count(*) from marts.positive") == 50
    owner.execute("create table src.orders (id int, customer int, amount int, note text)")
    plans.refresh(owner, "marts.positive")
    assert owner.execute(
        "select status, consecutive_errors from pgtrickle.pgt_stream_tables"
    ).fetchone() == ("ACTIVE", 0)


@pytest.mark.parametrize(
    "alteration",
    [
        "alter table src.orders alter column amount type bigint",
        "alter table src.orders alter column amount type text using amount::text",
        "alter table src.orders drop column amount",
        "alter table src.orders rename column amount to sum",
    ],
)
def test_altering_a_captured_column_never_breaks_writers(
    owner: Connection, writer: Connection, orders: None, alteration: str
) -> None:
    plans.positive_amounts(owner)
    writer.execute("insert into src.orders values (499, 1, 4)")
    owner.execute(alteration)
    writer.execute(
        "insert into src.orders (id, customer) values (500, 1)"
    ) if "drop" in alteration else writer.execute("insert into src.orders values (500, 1, 4)")
    writer.execute("update src.orders set customer = 2")
    plans.attempt(owner, "marts.positive")
    writer.execute("delete from src.orders where id = 500")
    if "bigint" in alteration:
        assert_current(owner, "marts.positive")


def test_a_wider_column_is_not_cut_off(owner: Connection, writer: Connection) -> None:
    owner.execute("create table src.names (id int primary key, amount varchar(3) not null)")
    plans.create(
        owner,
        "marts.n",
        "select id, amount from src.names",
        sources=[("src.names", ["id", "amount"])],
        identity=["id"],
        deltas={
            "0": plans.keyed(
                "marts.n",
                ["id", "amount"],
                "id",
                "select id, amount::varchar(3), __pgt_weight from changes_0",
            )
        },
    )
    owner.execute("alter table src.names alter column amount type varchar(10)")
    owner.execute("alter table marts.n alter column amount type varchar(10)")
    writer.execute("insert into src.names values (1, 'longer')")
    assert_current(owner, "marts.n", action="FULL")


# --- rights ---------------------------------------------------------------------------------------


def test_captured_rows_are_for_the_consumers_owner_alone(
    owner: Connection, connect: Connect, orders: None
) -> None:
    plans.positive_amounts(owner)
    buffer = f"pgtrickle_changes.changes_{relid(owner, 'src.orders')}_0"
    owner.execute(f"select id, amount from {buffer}")
    owner.execute("grant select on marts.positive to pgt_test_reader, pgt_test_writer")
    for role in ("reader", "writer"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connect(role).execute(f"select id from {buffer}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connect(role).execute("select pgtrickle.refresh_stream_table('marts.positive')")
    for statement in (
        f"insert into {buffer} default values",
        f"truncate {buffer}",
        f"delete from {buffer}",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(statement)


def test_a_missing_trigger_privilege_names_the_grant(
    connect: Connect, orders: None, owner: Connection
) -> None:
    reader = connect("reader")
    owner.execute("grant select on src.orders to pgt_test_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        reader.execute("select pgtrickle._ensure_capture('src.orders'::regclass, '{id}')")
    assert "grant trigger on src.orders to pgt_test_reader" in str(caught.value.diag.message_hint)
    owner.execute("grant trigger on src.orders to pgt_test_reader")
    reader.execute("select pgtrickle._ensure_capture('src.orders'::regclass, '{id}')")


def test_columns_the_owner_may_not_read_are_not_given(
    connect: Connect, orders: None, owner: Connection
) -> None:
    plans.positive_amounts(owner)
    owner.execute("grant select (id, customer), trigger on src.orders to pgt_test_reader")
    reader = connect("reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("select pgtrickle._ensure_capture('src.orders'::regclass, '{id, amount}')")
    reader.execute("select pgtrickle._ensure_capture('src.orders'::regclass, '{id, customer}')")
    buffer = f"pgtrickle_changes.changes_{relid(owner, 'src.orders')}_0"
    reader.execute(f"select id, customer from {buffer}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(f"select amount from {buffer}")


def test_a_stranger_cannot_feed_a_capture_function(
    connect: Connect, orders: None, owner: Connection
) -> None:
    plans.positive_amounts(owner)
    source = relid(owner, "src.orders")
    owner.execute("create table src.fake (like src.orders)")
    owner.execute(
        "create trigger pgtrickle_capture_insert after insert on src.fake referencing new table as new_table"
        f" for each statement execute function pgtrickle_changes.capture_{source}()"
    )
    owner.execute("insert into src.fake values (9000, 1, 1)")
    assert_current(owner, "marts.positive", action="NO_DATA")


def test_row_security_is_respected(owner: Connection, connect: Connect, orders: None) -> None:
    owner.execute("alter table src.orders enable row level security")
    owner.execute("grant select, trigger on src.orders to pgt_test_reader")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="row security"):
        connect("reader").execute(
            "select pgtrickle._ensure_capture('src.orders'::regclass, '{id}')"
        )


@pytest.mark.parametrize(
    ("setup", "name"),
    [
        ("create view src.x as select 1 as id", "src.x"),
        ("create materialized view src.x as select 1 as id", "src.x"),
        ("create unlogged table src.x (id int)", "src.x"),
        ("create temp table x (id int)", "pg_temp.x"),
        ("create table src.x (id int); create table src.y () inherits (src.x)", "src.x"),
        ("create table src.x (id int); create table src.y () inherits (src.x)", "src.y"),
        (
            "create table src.x (id int) partition by list (id); create table src.y partition of src.x default",
            "src.y",
        ),
    ],
)
def test_what_cannot_be_captured_is_refused(owner: Connection, setup: str, name: str) -> None:
    owner.execute(setup)
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot be captured"):
        owner.execute("select pgtrickle._ensure_capture(%s::regclass, '{id}')", [name])


def test_quoted_names_everywhere(owner: Connection, connect: Connect) -> None:
    connect().execute('create schema "My ""Schema""" authorization pgt_test_owner')
    owner.execute(
        'create table "My ""Schema"""."Ord ers.$capture$" ("I d" int primary key, "A""m" int, "select" int)'
    )
    owner.execute('insert into "My ""Schema"""."Ord ers.$capture$" values (1, 1, 1)')
    target = '"My ""Schema"""."Stre am"'
    columns = ['"I d"', '"A""m"']
    plans.create(
        owner,
        target,
        'select "I d", "A""m" from "My ""Schema"""."Ord ers.$capture$"',
        sources=[('"My ""Schema"""."Ord ers.$capture$"', ["I d", 'A"m'])],
        identity=["I d"],
        deltas={
            "0": plans.keyed(
                target, columns, '"I d"', 'select "I d", "A""m", __pgt_weight from changes_0'
            )
        },
    )
    owner.execute('update "My ""Schema"""."Ord ers.$capture$" set "A""m" = 2')
    assert_current(owner, target, action="DIFFERENTIAL")


# --- purge ------------------------------------------------------------------------------------------


def segments(connect: Connect, source: int) -> list[int]:
    """Rows in the two segments, and in the archive."""
    return [
        int(value(connect(), f"select count(*) from pgtrickle_changes.changes_{source}_{n}"))
        for n in (0, 1, 2)
    ]


def test_purge_empties_what_all_have_consumed_and_nothing_else(
    owner: Connection, writer: Connection, connect: Connect, orders: None
) -> None:
    plans.positive_amounts(owner)
    plans.totals(owner)
    source = relid(owner, "src.orders")
    purge = f"select pgtrickle._purge({source}, 0)"
    writer.execute("insert into src.orders values (500, 1, 500)")
    plans.refresh(owner, "marts.positive")
    value(owner, purge)  # turns writers to the other segment; totals has not read the old one
    writer.execute("insert into src.orders values (501, 1, 501)")
    assert segments(connect, source) == [0, 1, 1]
    value(owner, purge)
    assert segments(connect, source) == [0, 1, 1]
    plans.refresh(owner, "marts.totals")
    plans.refresh(owner, "marts.positive")
    value(owner, purge)
    assert segments(connect, source) == [0, 0, 0]
    assert_current(owner, "marts.positive", "marts.totals")


def test_purge_keeps_what_a_late_commit_may_bring(
    owner: Connection, writer: Connection, connect: Connect, orders: None
) -> None:
    plans.positive_amounts(owner)
    purge = f"select pgtrickle._purge({relid(owner, 'src.orders')}, 0)"
    late = connect("writer", autocommit=False)
    late.execute("insert into src.orders values (500, 1, 500)")
    writer.execute("insert into src.orders values (501, 1, 501)")
    plans.refresh(owner, "marts.positive")
    assert value(owner, purge) is False
    assert value(owner, purge) is False
    late.execute("insert into src.orders values (502, 1, 502)")
    late.commit()
    assert value(owner, purge) is False
    assert_current(owner, "marts.positive", action="DIFFERENTIAL")
    assert value(owner, purge) is True


def test_purge_never_takes_from_a_newcomer_being_populated(
    owner: Connection, writer: Connection, connect: Connect, orders: None
) -> None:
    plans.positive_amounts(owner)
    purge = f"select pgtrickle._purge({relid(owner, 'src.orders')}, 0)"
    newcomer = connect("owner", autocommit=False)
    newcomer.execute("select 1")  # begins a transaction
    plans.positive_amounts(newcomer, "marts.newcomer")
    writer.execute("insert into src.orders values (500, 1, 500)")
    plans.refresh(owner, "marts.positive")
    assert [value(owner, purge), value(owner, purge)] == [False, False]
    newcomer.commit()
    source = relid(owner, "src.orders")
    value(owner, purge)
    value(owner, purge)
    assert sum(segments(connect, source)) == 1
    assert_current(owner, "marts.newcomer", "marts.positive")


def test_purge_fails_a_newcomer_whose_snapshot_is_older(
    owner: Connection, writer: Connection, connect: Connect, orders: None
) -> None:
    plans.positive_amounts(owner)
    purge = f"select pgtrickle._purge({relid(owner, 'src.orders')}, 0)"
    old = connect("owner", autocommit=False)
    old.execute("set transaction isolation level repeatable read")
    old.execute("select 1")
    writer.execute("insert into src.orders values (500, 1, 500)")
    plans.refresh(owner, "marts.positive")
    assert value(owner, purge) is True
    with pytest.raises(psycopg.errors.SerializationFailure):
        plans.positive_amounts(old, "marts.newcomer")


def test_purge_leaves_own_uncommitted_rows(
    owner: Connection, connect: Connect, orders: None
) -> None:
    plans.positive_amounts(owner)
    purge = f"select pgtrickle._purge({relid(owner, 'src.orders')}, 0)"
    own = connect("owner", autocommit=False)
    own.execute("insert into src.orders values (500, 1, 500)")
    owner.execute("select pg_current_xact_id()")  # of later ones, a snapshot does not list its own
    plans.refresh(own, "marts.positive")
    assert [value(own, purge), value(own, purge)] == [False, False]
    own.commit()
    assert_current(owner, "marts.positive")


@pytest.mark.parametrize("alone", [True, False])
def test_refreshes_alone_keep_the_buffer_small(
    owner: Connection, writer: Connection, connect: Connect, orders: None, alone: bool
) -> None:
    """Alone in its transaction a refresh truncates; within one it deletes, and vacuum frees."""
    plans.positive_amounts(owner)
    owner.prepare_threshold = None
    source = relid(owner, "src.orders")
    sizes = []
    for _ in range(8):
        for _ in range(20):
            writer.execute("update src.orders set amount = -amount")
        if alone:
            owner.execute("select pgtrickle.refresh_stream_table('marts.positive')")
        else:
            with owner.transaction():
                owner.execute("select pgtrickle.refresh_stream_table('marts.positive')")
            connect().execute(
                f"vacuum pgtrickle_changes.changes_{source}_0, pgtrickle_changes.changes_{source}_1"
            )
        assert plans.difference(owner, "marts.positive") == []
        sizes.append(
            sum(
                value(
                    connect(), f"select pg_relation_size('pgtrickle_changes.changes_{source}_{n}')"
                )
                for n in (0, 1)
            )
        )
    assert max(sizes) < 1024 * 1024, sizes
    assert sizes[-1] <= sizes[2], sizes


def test_deleting_purge_keeps_a_late_commit(
    owner: Connection, writer: Connection, connect: Connect, orders: None
) -> None:
    plans.positive_amounts(owner)
    source = relid(owner, "src.orders")
    purge = f"select pgtrickle._purge({source}, 0, truncates => false)"
    late = connect("writer", autocommit=False)
    late.execute("insert into src.orders values (500, 1, 500)")
    writer.execute("insert into src.orders values (501, 1, 501)")
    plans.refresh(owner, "marts.positive")
    assert value(owner, purge) is True
    late.commit()
    assert segments(connect, source) == [1, 0, 0]
    assert_current(owner, "marts.positive", action="DIFFERENTIAL")


def test_row_security_that_comes_later_means_recomputing(
    owner: Connection, connect: Connect, orders: None
) -> None:
    owner.execute("grant select, trigger on src.orders to pgt_test_reader")
    connect().execute("grant create on schema marts to pgt_test_reader")
    reader = connect("reader")
    plans.positive_amounts(reader, "marts.theirs")
    owner.execute("alter table src.orders enable row level security")
    owner.execute("create policy few on src.orders for select using (amount < 10)")
    for _ in range(2):
        owner.execute(
            "insert into src.orders (id, customer, amount) select max(id) + 1, 1, 5 from src.orders"
        )
        outcome = plans.refresh(reader, "marts.theirs")
        assert (outcome.action, "row security" in outcome.reason) == ("REINITIALIZE", True)
        assert plans.difference(reader, "marts.theirs") == []
    assert value(reader, "select max(amount) from marts.theirs") == 9


# --- widening -----------------------------------------------------------------------------------------


def test_widening_waits_for_writers_so_none_captures_null(
    owner: Connection, writer: Connection, connect: Connect, orders: None
) -> None:
    plans.positive_amounts(owner)
    in_flight = connect("writer", autocommit=False)
    in_flight.execute("update src.orders set customer = 5 where id = 60")
    widening = connect("owner")
    widened = begun(lambda: plans.totals(widening), widening, owner)
    after = connect("writer")
    later = begun(
        lambda: after.execute("update src.orders set amount = 1000 where id = 61"), after, owner
    )
    in_flight.execute("update src.orders set customer = 7, amount = 9 where id = 62")
    in_flight.commit()
    widened.result(PATIENCE)
    later.result(PATIENCE)
    source = relid(owner, "src.orders")
    writer.execute("delete from src.orders where id between 55 and 65")
    assert_current(owner, "marts.positive", "marts.totals", action="DIFFERENTIAL")
    frontier = "(select snapshot from pgtrickle.pgt_frontiers order by pgt_id desc limit 1)"
    assert (
        value(
            connect(),
            f"select count(*) from pgtrickle_changes.changes_{source}_0 where customer is null and not pg_visible_in_snapshot(__pgt_xid, {frontier})",
        )
        == 0
    )


def test_widening_lets_who_holds_the_capture_read_its_buffer(
    owner: Connection, writer: Connection, connect: Connect, orders: None
) -> None:
    plans.positive_amounts(owner)
    source = relid(owner, "src.orders")
    writer.execute("update src.orders set amount = 1000 where id = 61")
    holder = connect("owner", autocommit=False)
    holder.execute("select pgtrickle._hold_capture(%s)", (source,))
    widening = connect("owner")
    widened = begun(lambda: plans.totals(widening), widening, owner)
    plans.refresh(holder, "marts.positive")
    holder.commit()
    widened.result(PATIENCE)
    assert_current(owner, "marts.positive", "marts.totals")


def test_two_sessions_capture_the_same_source_at_once(
    owner: Connection, connect: Connect, orders: None
) -> None:
    first, second = connect("owner", autocommit=False), connect("owner")
    first.execute("select 1")  # begins a transaction
    plans.positive_amounts(first)
    created = begun(lambda: plans.totals(second), second, owner)
    first.commit()
    created.result(PATIENCE)
    owner.execute("update src.orders set amount = amount + 1")
    assert_current(owner, "marts.positive", "marts.totals", action="DIFFERENTIAL")


def test_capture_goes_with_its_last_consumer(owner: Connection, orders: None) -> None:
    plans.positive_amounts(owner)
    plans.totals(owner)
    owner.execute("select pgtrickle.drop_stream_table('marts.positive')")
    assert value(owner, "select count(*) from pgtrickle.pgt_captures") == 1
    owner.execute("select pgtrickle.drop_stream_table('marts.totals')")
    assert value(owner, "select count(*) from pgtrickle.pgt_captures") == 0
    assert (
        value(owner, "select count(*) from pg_trigger where tgname like 'pgtrickle_capture%%'") == 0
    )


def test_a_stream_table_on_a_stream_table(
    owner: Connection, writer: Connection, orders: None
) -> None:
    plans.positive_amounts(owner)
    plans.create(
        owner,
        "marts.second",
        "select id from marts.positive where amount > 10",
        sources=[("marts.positive", ["id", "amount"])],
        identity=["id"],
        deltas={
            "0": plans.keyed(
                "marts.second",
                ["id"],
                "id",
                "select id, __pgt_weight from changes_0 where amount > 10",
            )
        },
    )
    writer.execute("update src.orders set amount = amount + 5")
    assert_current(owner, "marts.positive", "marts.second", action="DIFFERENTIAL")
    with owner.transaction():
        owner.execute("insert into src.orders values (500, 1, 500)")
        assert_current(owner, "marts.positive", "marts.second", action="DIFFERENTIAL")
        owner.execute("delete from src.orders where id = 500")
        assert_current(owner, "marts.positive", "marts.second", action="DIFFERENTIAL")


def test_a_capture_made_since_the_snapshot_is_a_serialization_failure(
    owner: Connection, connect: Connect, orders: None
) -> None:
    with connect("owner", autocommit=False) as older:
        older.execute("set transaction isolation level repeatable read")
        older.execute("select 1")
        plans.positive_amounts(owner)
        with pytest.raises(psycopg.errors.SerializationFailure, match="have been captured since"):
            older.execute("select pgtrickle._ensure_capture('src.orders'::regclass, '{id,note}')")
        older.rollback()
    assert_current(owner, "marts.positive")


def test_who_drops_a_capture_does_not_deadlock_with_who_looks_at_its_buffer(
    owner: Connection, connect: Connect, orders: None
) -> None:
    plans.positive_amounts(owner)
    source = relid(owner, "src.orders")
    with connect(autocommit=False) as purging:
        purging.execute(f"select last_value from pgtrickle_changes.segment_{source}")
        dropped = begun(
            lambda: owner.execute("select pgtrickle.drop_stream_table('marts.positive')"),
            owner,
            connect(),
        )
        purging.execute("set lock_timeout = '1s'")
        purging.execute(f"select pg_relation_size('pgtrickle_changes.changes_{source}_0')")
        purging.commit()
        dropped.result(PATIENCE)
    assert value(owner, f"select to_regclass('pgtrickle_changes.changes_{source}_0')") is None
