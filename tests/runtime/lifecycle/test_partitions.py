"""Stream tables partitioned by range."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgtrickle.engine import Engine

from .facts import call, catalog, create, rows, scalar

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]

EVENTS = "select id, customer, amount, note from src.orders"
TOTALS = "select customer, sum(amount) as total, count(*) as n from src.orders group by customer"
# Query, partition column: identity by a key that has the column, by one that has not, and by row.
IDENTITIES = {
    "key with the column": (TOTALS, "customer"),
    "key without the column": (EVENTS, "customer"),
    "row": ("select customer, amount, note from src.orders", "customer"),
}
CHANGES = """
    insert into src.orders values (4, 3, 1, 'd'), (5, 12, 2, null),
        (6, 12, 2, null), (7, 25, 3, 'x');
    update src.orders set customer = 15 where id = 1;
    update src.orders set amount = amount + 1 where id in (2, 5);
    delete from src.orders where id = 3;
"""
MORE_CHANGES = """
    update src.orders set customer = 40 - customer;
    insert into src.orders select n, n, n, 'more' from generate_series(10, 30) n;
    delete from src.orders where id in (5, 11, 12);
"""


def compile_pending(connection: Connection) -> None:
    """What a worker does: compile the plans of stream tables made by SQL alone."""
    with psycopg.connect(connection.info.dsn, autocommit=True) as own:
        Engine(own).compile_pending()


def assert_exact(connection: Connection, name: str) -> None:
    assert (
        connection.execute("select * from pgtrickle.verify_stream_table(%s)", [name]).fetchall()
        == []
    )


def partitions(connection: Connection, name: str) -> list[str]:
    return [
        row[0]
        for row in connection.execute(
            "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid"
            " where i.inhparent = %s::regclass order by 1",
            [name],
        ).fetchall()
    ]


def last_action(connection: Connection) -> tuple[str, str | None]:
    row = connection.execute(
        "select action, merge_strategy_used from pgtrickle.pgt_refresh_history"
        " order by refresh_id desc limit 1"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_a_partitioned_stream_table_starts_with_a_default_partition(owner: Connection) -> None:
    create(owner, "marts.totals", TOTALS, partition_by="CUSTOMER")
    assert partitions(owner, "marts.totals") == ["totals_default"]
    assert len(rows(owner, "marts.totals")) == 2
    assert catalog(owner, "totals").st_partition_key == "customer"


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize("differential", [False, True], ids=["recomputed", "differential"])
def test_a_refresh_is_exact_over_its_partitions(
    owner: Connection, identity: str, differential: bool
) -> None:
    query, key = IDENTITIES[identity]
    create(owner, "marts.parts", query, partition_by=key)
    owner.execute("create table marts.low partition of marts.parts for values from (-100) to (1)")
    call(owner, "add_partition", "marts.parts", "1", "10")
    call(owner, "add_partition", "marts.parts", "10", "20")
    if differential:
        compile_pending(owner)
    call(owner, "refresh_stream_table", "marts.parts")
    for changes in (CHANGES, MORE_CHANGES):
        owner.execute(changes)
        call(owner, "refresh_stream_table", "marts.parts")
        assert last_action(owner)[0] == ("DIFFERENTIAL" if differential else "FULL")
        assert_exact(owner, "marts.parts")
    assert (
        scalar(owner, f"select count(*) from marts.parts_10 where {key} not between 10 and 19") == 0
    )
    assert scalar(owner, "select count(*) from marts.parts_10") > 0
    assert scalar(owner, "select count(*) from marts.parts_default") > 0


def test_add_partition_moves_rows_out_of_the_default_partition(owner: Connection) -> None:
    create(owner, "marts.parts", EVENTS, partition_by="id")
    with pytest.raises(psycopg.errors.CheckViolation):
        owner.execute("create table marts.one partition of marts.parts for values from (1) to (2)")
    assert call(owner, "add_partition", "marts.parts", "1", "2") == "marts.parts_1"
    assert call(owner, "add_partition", "marts.parts", None, "1") == "marts.parts_until_1"
    named = call(owner, "add_partition", "marts.parts", "3", None, 'The "Rest"')
    assert named == 'marts."The ""Rest"""'
    assert [scalar(owner, f"select count(*) from {name}") for name in ("marts.parts_1", named)] == [
        1,
        1,
    ]
    assert scalar(owner, "select count(*) from marts.parts_default") == 1
    assert_exact(owner, "marts.parts")
    call(owner, "refresh_stream_table", "marts.parts")
    assert_exact(owner, "marts.parts")


def test_rows_without_a_value_stay_in_the_default_partition(owner: Connection) -> None:
    owner.execute("insert into src.orders values (9, 9, 9, null)")
    create(owner, "marts.parts", EVENTS, partition_by="note")
    call(owner, "add_partition", "marts.parts", None, None, "noted")
    assert scalar(owner, "select count(*) from marts.noted") == 3
    assert scalar(owner, "select count(*) from marts.parts_default") == 1
    assert_exact(owner, "marts.parts")


@pytest.mark.parametrize(
    "statement",
    [
        "insert into {} values (1, 1, 1, 'x')",
        "update {} set amount = 0",
        "delete from {}",
        "truncate {}",
    ],
)
def test_partitions_are_as_read_only_as_their_table(owner: Connection, statement: str) -> None:
    create(owner, "marts.parts", EVENTS, partition_by="id")
    call(owner, "add_partition", "marts.parts", "1", "3")
    for name in ("marts.parts", "marts.parts_1", "marts.parts_default"):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="stream table"):
            owner.execute(statement.format(name))


def test_a_partition_made_by_plain_ddl_is_read_only_at_once(owner: Connection) -> None:
    create(owner, "marts.parts", EVENTS, partition_by="id")
    owner.execute("create table marts.new partition of marts.parts for values from (50) to (60)")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="stream table"):
        owner.execute("insert into marts.new values (50, 1, 1, 'x')")
    call(owner, "refresh_stream_table", "marts.parts")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="stream table"):
        owner.execute("truncate marts.new")
    owner.execute("alter table marts.parts detach partition marts.new")
    owner.execute("insert into marts.new values (50, 1, 1, 'x')")


def test_rows_that_come_or_go_with_a_partition_are_put_right(owner: Connection) -> None:
    create(owner, "marts.parts", EVENTS, partition_by="id")
    compile_pending(owner)
    call(owner, "add_partition", "marts.parts", "1", "3")
    call(owner, "refresh_stream_table", "marts.parts")
    owner.execute(
        "create table marts.stray as select 70 as id, 1 as customer,"
        " 1.00::numeric(10,2) as amount, 'x'::varchar(20) as note"
    )
    owner.execute(
        "alter table marts.parts attach partition marts.stray for values from (70) to (80)"
    )
    call(owner, "refresh_stream_table", "marts.parts")
    assert_exact(owner, "marts.parts")
    owner.execute("alter table marts.parts detach partition marts.parts_1")
    call(owner, "refresh_stream_table", "marts.parts")
    assert_exact(owner, "marts.parts")
    assert scalar(owner, "select count(*) from marts.parts_default") == 3


@pytest.mark.parametrize("mode", ["DIFFERENTIAL", "IMMEDIATE", "FULL"])
def test_stream_tables_read_partitioned_ones(owner: Connection, mode: str) -> None:
    create(owner, "marts.parts", EVENTS, partition_by="id")
    create(
        owner,
        "marts.above",
        "select customer, sum(amount) as total from marts.parts group by 1",
        refresh_mode=mode,
    )
    compile_pending(owner)
    for name in ("parts", "above"):
        call(owner, "refresh_stream_table", f"marts.{name}")
    for changes in ("", CHANGES, MORE_CHANGES):
        call(owner, "add_partition", "marts.parts", str(len(changes)), str(len(changes) + 2))
        assert_exact(owner, "marts.above")
        if changes:
            owner.execute(changes)
        call(owner, "refresh_stream_table", "marts.parts")
        if mode != "IMMEDIATE":
            call(owner, "refresh_stream_table", "marts.above")
        assert_exact(owner, "marts.above")


def test_a_changed_query_keeps_partitions_indexes_and_rows(owner: Connection) -> None:
    create(owner, "marts.parts", EVENTS, partition_by="id")
    call(owner, "add_partition", "marts.parts", "1", "3")
    owner.execute("create index by_amount on marts.parts (amount)")
    call(
        owner,
        "alter_stream_table",
        "marts.parts",
        query=EVENTS.replace("amount", "amount * 2 as amount").replace(
            "note", "upper(note) as note, customer as again"
        ),
    )
    assert_exact(owner, "marts.parts")
    assert partitions(owner, "marts.parts") == ["parts_1", "parts_default"]
    assert (
        scalar(
            owner,
            "select count(*) from pg_indexes"
            " where schemaname = 'marts' and indexdef ~ '\\(amount\\)'",
        )
        == 3
    )


def test_what_cannot_be_says_why_and_the_way_out(owner: Connection) -> None:
    for given, error in {
        "nothing": psycopg.errors.UndefinedColumn,
        "LIST:id": psycopg.errors.FeatureNotSupported,
        "id, customer": psycopg.errors.FeatureNotSupported,
    }.items():
        with pytest.raises(error, match="partition_by") as raised:
            create(owner, "marts.parts", EVENTS, partition_by=given)
        assert "RANGE" in str(raised.value.diag.message_hint)
    create(owner, "marts.parts", EVENTS, partition_by="id")
    create(owner, "marts.plain", EVENTS)
    for name, wanted in (("parts", "customer"), ("parts", ""), ("plain", "id")):
        for function, query in (
            ("alter_stream_table", None),
            ("create_or_replace_stream_table", EVENTS),
        ):
            with pytest.raises(
                psycopg.errors.FeatureNotSupported, match="fixed at creation"
            ) as raised:
                call(owner, function, f"marts.{name}", query, partition_by=wanted)
            assert "--full-refresh" in str(raised.value.diag.message_hint)
    for query in (
        "select customer, note from src.orders",
        "select id::text, customer from src.orders",
    ):
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="partitioned"):
            call(owner, "alter_stream_table", "marts.parts", query=query)
    with pytest.raises(psycopg.errors.WrongObjectType, match="not partitioned"):
        call(owner, "add_partition", "marts.plain", "1", "2")
    call(owner, "create_or_replace_stream_table", "marts.parts", EVENTS, partition_by="id")
    assert_exact(owner, "marts.parts")


def test_names_are_quoted_where_they_must_be(owner: Connection) -> None:
    name = 'marts."Mixed ""Case"" Name.s"'
    create(
        owner,
        name,
        'select id as "The ""Id"".s", amount from src.orders',
        partition_by='The "Id".s',
    )
    compile_pending(owner)
    assert call(owner, "add_partition", name, "2", "3") == 'marts."Mixed ""Case"" Name.s_2"'
    owner.execute(CHANGES)
    call(owner, "refresh_stream_table", name)
    assert_exact(owner, name)
    long = "l" + "o" * 58 + "ng"
    create(owner, f"marts.{long}", EVENTS, partition_by="id")
    assert partitions(owner, f"marts.{long}") == [long[:55] + "_default"]
    owner.execute(f"alter table marts.{long} rename to short")
    call(owner, "alter_stream_table", "marts.short")
    assert partitions(owner, "marts.short") == ["short_default"]
    call(owner, "drop_stream_table", "marts.short")
    assert scalar(owner, "select to_regclass('marts.short_default')") is None
