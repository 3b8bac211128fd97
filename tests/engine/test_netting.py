"""What a delta comes to, key by key."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine

SHOWN = "select id, amount from orders"

CHANGES = {
    "a change that is not shown": ["update orders set customer = 2"],
    "there and back": [
        "update orders set amount = amount + 1",
        "update orders set amount = amount - 1",
    ],
    "deleted and put back": [
        "create temporary table kept as select * from orders",
        "delete from orders",
        "insert into orders select * from kept",
    ],
    "come and gone": [
        "insert into orders values (100, 1, 1)",
        "delete from orders where id = 100",
    ],
}


@pytest.mark.parametrize("statements", CHANGES.values(), ids=CHANGES)
def test_what_comes_to_nothing_writes_nothing(engine: Engine, statements: list[str]) -> None:
    engine.create_stream_table("shown", SHOWN, refresh_mode="DIFFERENTIAL")
    before = engine.connection.execute("select ctid, xmin, id from shown order by id").fetchall()
    for statement in statements:
        engine.connection.execute(statement)
    outcome = engine.refresh("shown")
    assert (outcome.rows_inserted, outcome.rows_deleted) == (0, 0)
    after = engine.connection.execute("select ctid, xmin, id from shown order by id").fetchall()
    assert after == before


def test_a_value_that_only_prints_differently_is_written(engine: Engine) -> None:
    engine.create_stream_table("shown", SHOWN, refresh_mode="DIFFERENTIAL")
    engine.connection.execute("update orders set amount = 1.00 where id = 1")
    outcome = engine.refresh("shown")
    assert (outcome.action, outcome.rows_inserted, outcome.rows_deleted) == ("DIFFERENTIAL", 1, 1)
    assert engine.verify("shown").equal


def test_keys_changed_once_and_keys_changed_often_in_one_delta(engine: Engine) -> None:
    engine.create_stream_table("shown", SHOWN, refresh_mode="DIFFERENTIAL")
    for statement in (
        "update orders set amount = 5 where id = 1",
        "delete from orders where id = 2",
        "insert into orders values (100, 1, 1)",
        "update orders set amount = amount + 1 where id = 3",
        "update orders set amount = amount + 1 where id = 3",
        "delete from orders where id = 4",
        "insert into orders values (4, 1, 8)",
        "update orders set id = 200 where id = 5",
        "update orders set id = 5 where id = 6",
        "update orders set amount = amount + 1 where id = 7",
        "delete from orders where id = 7",
    ):
        engine.connection.execute(statement)
    outcome = engine.refresh("shown")
    # 1, 3, 4 and 5 are updated, 100 and 200 come, 2, 6 and 7 go.
    assert (outcome.action, outcome.rows_inserted, outcome.rows_deleted) == ("DIFFERENTIAL", 6, 7)
    assert engine.verify("shown").equal


def test_a_row_that_is_missing_is_noticed_when_it_is_to_go(engine: Engine) -> None:
    engine.create_stream_table("shown", SHOWN, refresh_mode="DIFFERENTIAL")
    engine.connection.execute("set pgtrickle.internal_refresh = '1'")
    engine.connection.execute("delete from shown where id = 1")
    engine.connection.execute("reset pgtrickle.internal_refresh")
    engine.connection.execute("delete from orders where id = 1")
    assert engine.refresh("shown").action == "REINITIALIZE"
    assert engine.verify("shown").equal


def test_more_changes_than_a_program_is_for(engine: Engine) -> None:
    engine.create_stream_table("shown", SHOWN, refresh_mode="DIFFERENTIAL")
    run = engine.connection.execute
    run("insert into orders select i, 1, i from generate_series(1000, 9000) i")
    assert engine.refresh("shown").action == "DIFFERENTIAL"
    run("update orders set amount = amount + 1 where id % 2 = 0")
    run("delete from orders where id % 3 = 0")
    settings = "select current_setting('work_mem'), current_setting('random_page_cost')"
    before = run(settings).fetchall()
    with engine.connection.transaction():
        assert engine.refresh("shown").action == "DIFFERENTIAL"
        assert run(settings).fetchall() == before
    assert engine.verify("shown").equal
    read = run(
        "select delta_row_count from pgtrickle.pgt_refresh_history order by refresh_id desc limit 1"
    )
    assert read.fetchall() == [(4026 * 2 + 2683,)]


def test_many_changes_beside_a_row_the_query_fails_on_that_came_and_went(engine: Engine) -> None:
    """Consumed by this table once and kept for another, and among what is pending as well."""
    run = engine.connection.execute
    engine.create_stream_table("lags", SHOWN, refresh_mode="DIFFERENTIAL")
    engine.create_stream_table(
        "parts", "select id, 100 / amount as part from orders", refresh_mode="DIFFERENTIAL"
    )
    for first in (1000, 5000):
        run("insert into orders values (100, 1, 0)")
        run("delete from orders where id = 100")
        run(f"insert into orders select i, 1, i from generate_series({first}, {first + 3000}) i")
        assert engine.refresh("parts").action == "DIFFERENTIAL"
        assert engine.verify("parts").equal
    run("update orders set amount = amount + 1")
    assert engine.refresh("parts").action == "DIFFERENTIAL"
    assert engine.refresh("lags").action == "DIFFERENTIAL"
    assert engine.verify("parts").equal
    assert engine.verify("lags").equal
