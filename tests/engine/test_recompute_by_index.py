"""Recomputing a table that has a unique index: its rows are matched by it, and counted."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine, RefreshFailed

pytestmark = pytest.mark.every_server

QUERY = "select id, customer, amount, ratio, note, tag from item"


@pytest.fixture
def items(engine: Engine) -> Engine:
    """A table `item` without a key, and a stream table `copy` of it with a unique index on id."""
    engine.connection.execute(
        "create table item (id integer not null, customer integer, amount numeric, ratio float8,"
        " note text, tag character(3));"
        "insert into item select i, i % 3, i / 4.0, i / 8.0, 'note ' || i, 'ab'"
        " from generate_series(1, 50) i"
    )
    engine.create_stream_table("copy", QUERY, refresh_mode="FULL")
    engine.connection.execute("alter table copy alter id set not null")
    engine.connection.execute("create unique index on copy (id)")
    return engine


def refreshed(engine: Engine) -> tuple[int | None, int | None]:
    outcome = engine.refresh("copy")
    assert engine.verify("copy").equal
    return outcome.rows_inserted, outcome.rows_deleted


@pytest.mark.parametrize(
    ("change", "inserted", "deleted"),
    [
        ("select 1", 0, 0),
        ("update item set customer = 9 where id = 3", 1, 1),
        ("update item set customer = null where id = 3", 1, 1),
        ("update item set amount = 0.750 where id = 3", 1, 1),  # 0.75 before
        ("update item set ratio = '-0' where id = 3", 1, 1),
        ("update item set note = note || ' ' where id < 3", 2, 2),
        ("update item set id = id + 100 where id < 3", 2, 2),
        ("delete from item where id < 5", 0, 4),
        ("insert into item select i + 50, 1, 1, 1, '', '' from generate_series(1, 7) i", 7, 0),
        ("truncate item", 0, 50),
    ],
)
def test_only_what_prints_otherwise_is_written(
    items: Engine, change: str, inserted: int, deleted: int
) -> None:
    items.connection.execute(change)
    assert refreshed(items) == (inserted, deleted)
    assert refreshed(items) == (0, 0)


def test_zero_and_negative_zero_are_told_apart(items: Engine) -> None:
    items.connection.execute("update item set ratio = 0")
    refreshed(items)
    items.connection.execute("update item set ratio = '-0' where id = 7")
    assert refreshed(items) == (1, 1)


def test_a_result_that_the_index_forbids_is_an_error_that_names_it(items: Engine) -> None:
    items.connection.execute("insert into item select * from item where id = 1")
    with pytest.raises(RefreshFailed, match="copy_id_idx"):
        items.refresh("copy")
    items.connection.execute("drop index copy_id_idx")
    assert refreshed(items) == (1, 0)


def test_a_row_is_not_lost_where_the_index_is_that_of_a_plan_retired(engine: Engine) -> None:
    engine.connection.execute(
        "create table item (id integer primary key, note text);"
        "insert into item values (1, 'one'), (2, 'two')"
    )
    engine.create_stream_table("copy", "select id, note from item")
    engine.connection.execute("alter table item drop constraint item_pkey")
    engine.connection.execute("insert into item values (1, 'one')")
    engine.connection.execute("select pgtrickle.refresh_stream_table('copy')")
    assert engine.verify("copy").equal


def test_an_index_of_some_rows_or_of_an_expression_says_nothing(items: Engine) -> None:
    items.connection.execute("drop index copy_id_idx")
    items.connection.execute("create unique index on copy (id) where id > 100")
    items.connection.execute("create unique index on copy ((id + 1)) where id > 100")
    items.connection.execute("insert into item select * from item where id = 1")
    assert refreshed(items) == (1, 0)


@pytest.mark.parametrize(
    "index",
    [
        "unique index {} on copy (customer, id) nulls not distinct",
        'unique index {} on copy ("It\'s ""a"" key", id) include (note)',
        "unique index {} on copy (customer, id)",
    ],
)
def test_keys_may_be_null_or_of_any_name(engine: Engine, index: str) -> None:
    engine.connection.execute(
        'create table item (id integer, customer integer, note text, "It\'s ""a"" key" text)'
    )
    engine.connection.execute(
        "insert into item values (1, null, 'a', 'x'), (null, null, 'b', 'y'), (2, 1, null, null)"
    )
    engine.create_stream_table("copy", "select * from item", refresh_mode="FULL")
    engine.connection.execute("create " + index.format("copy_key"))
    for change in (
        "update item set note = 'c' where id is null",
        "insert into item values (3, null, 'd', 'z')",
        "update item set customer = 7 where id = 1",
        "delete from item where customer is null",
    ):
        engine.connection.execute(change)
        refreshed(engine)
        assert refreshed(engine) == (0, 0)


def test_a_key_that_the_compiler_knows_has_an_index(engine: Engine) -> None:
    """FULL, too: to match rows by it takes half the time that comparing their texts does."""
    run = engine.connection.execute
    engine.create_stream_table("copy", "select id, amount from orders", refresh_mode="FULL")
    unique = (
        "select pg_get_indexdef(indexrelid) like '%(id) NULLS NOT DISTINCT' from pg_index"
        " where indrelid = 'copy'::regclass and indisunique"
    )
    assert run(unique).fetchall() == [(True,)]
    for change in (
        "update orders set amount = amount + 1 where id % 3 = 0; delete from orders where id = 7",
        "alter table orders drop constraint orders_pkey; insert into orders values (1, 1, 5), (9, 9, 9), (9, 9, 9)",  # noqa: E501
        "update orders set amount = 7 where id < 12",
    ):
        run(change)
        assert engine.refresh("copy").action == "FULL"
        assert engine.verify("copy").equal
    assert run(unique).fetchall() == []  # the key is none any more


@pytest.mark.parametrize("first", ["FULL", "AUTO"])
def test_the_index_follows_the_query_and_the_mode(first: str, engine: Engine) -> None:
    run = engine.connection.execute
    engine.create_stream_table("copy", "select id, customer from orders", refresh_mode=first)

    def key() -> list[str]:
        found = run(
            "select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid"
            " and a.attnum = any (i.indkey) where i.indrelid = 'copy'::regclass and indisunique"
        )
        return [name for (name,) in found]

    assert key() == ["id"]
    for mode in ("FULL", "AUTO", "FULL"):
        engine.alter_stream_table("copy", refresh_mode=mode)
        run("update orders set customer = customer + 1 where id < 5")
        engine.refresh("copy")
        assert engine.verify("copy").equal
        assert key() == ["id"]
    engine.alter_stream_table("copy", query="select customer from orders")
    assert key() == []
    engine.alter_stream_table("copy", query="select id, amount from orders")
    run("select pgtrickle.repair_stream_table('copy')")
    assert key() == ["id"]
    assert engine.verify("copy").equal
