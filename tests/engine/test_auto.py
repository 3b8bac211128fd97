"""AUTO chooses between the delta and recomputation by what the table's own past says."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine

QUERY = "select g, sum(v) as total from source group by g"


@pytest.fixture
def table(engine: Engine) -> Engine:
    engine.connection.execute("create table source (id integer primary key, g integer, v integer)")
    engine.connection.execute(
        "insert into source select i, i % 10, i from generate_series(1, 20000) i"
    )
    engine.connection.execute("analyze source")
    return engine


def change(engine: Engine, rows: int) -> None:
    engine.connection.execute("update source set v = v + 1 where id <= %s", (rows,))


def remember(
    engine: Engine,
    *,
    full_ms: float,
    ms_per_change: float = 0,
    ms: float = 0,
    rows: tuple[int, ...] = (100, 500, 1000),
) -> None:
    """A past in which each refresh and each change took so long, and recomputing so long."""
    engine.connection.execute(
        "update pgtrickle.pgt_stream_tables set last_full_ms = %s", (full_ms,)
    )
    engine.connection.execute(
        "insert into pgtrickle.pgt_refresh_history"
        " (pgt_id, data_timestamp, start_time, end_time, action, status, delta_row_count)"
        " select pgt_id, now(), now(), now() + (%s + n * %s) * interval '1 millisecond',"
        " 'DIFFERENTIAL', 'COMPLETED', n"
        " from pgtrickle.pgt_stream_tables, unnest(%s::integer[]) n",
        (ms, ms_per_change, list(rows)),
    )


def test_auto_recomputes_what_the_past_says_is_slower(table: Engine) -> None:
    table.create_stream_table("st", QUERY, refresh_mode="AUTO")
    remember(table, ms_per_change=1, full_ms=100)
    change(table, 1000)
    done = table.refresh("st")
    assert done.action == "FULL"
    assert done.reason == "2000 changes would take about 2000 ms, recomputing about 100 ms"
    assert table.verify("st").equal


def test_auto_keeps_to_the_delta_where_the_past_says_it_is_faster(table: Engine) -> None:
    table.create_stream_table("st", QUERY, refresh_mode="AUTO")
    remember(table, ms_per_change=0.001, full_ms=100)
    change(table, 10000)
    assert table.refresh("st").action == "DIFFERENTIAL"
    assert table.verify("st").equal


def test_auto_recomputes_what_is_slower_for_few_changes_too(table: Engine) -> None:
    table.create_stream_table("st", QUERY, refresh_mode="AUTO")
    remember(table, ms=900, full_ms=300, rows=(20, 20))
    change(table, 10)
    done = table.refresh("st")
    assert done.action == "FULL"
    assert done.reason == "20 changes would take about 900 ms, recomputing about 300 ms"
    assert table.verify("st").equal


def test_auto_gives_the_delta_another_chance(table: Engine) -> None:
    table.create_stream_table("st", QUERY, refresh_mode="AUTO")
    remember(table, ms=900, full_ms=300, rows=(20, 20))
    table.connection.execute(
        "insert into pgtrickle.pgt_refresh_history"
        " (pgt_id, data_timestamp, start_time, end_time, action, status)"
        " select pgt_id, now(), now(), now() + interval '300 ms', 'FULL', 'COMPLETED'"
        " from pgtrickle.pgt_stream_tables, generate_series(1, 50)"
    )
    change(table, 10)
    assert table.refresh("st").action == "DIFFERENTIAL"


def test_auto_does_not_weigh_what_is_fast_anyway(table: Engine) -> None:
    table.create_stream_table("st", QUERY, refresh_mode="AUTO")
    remember(table, ms=400, full_ms=30, rows=(20, 20))
    change(table, 10)
    assert table.refresh("st").action == "DIFFERENTIAL"


def test_auto_tries_once_what_recomputing_takes_where_it_may_be_faster(table: Engine) -> None:
    table.create_stream_table("st", QUERY, refresh_mode="AUTO")
    remember(table, ms_per_change=0.035, full_ms=100)
    change(table, 1000)
    done = table.refresh("st")
    assert done.action == "FULL"
    assert done.reason == (
        "2000 changes would take about 70 ms;"
        " recomputing took 100 ms when the table was filled, and is tried"
    )
    table.connection.execute(
        "update pgtrickle.pgt_refresh_history set end_time = start_time + interval '100 ms'"
        " where action = 'FULL'"
    )
    change(table, 1000)
    assert table.refresh("st").action == "DIFFERENTIAL"


def test_auto_without_a_past_goes_by_the_share_of_changed_rows(table: Engine) -> None:
    table.create_stream_table("st", QUERY, refresh_mode="AUTO")
    change(table, 10000)
    done = table.refresh("st")
    assert (done.action, done.reason) == ("FULL", "20000 changes in about 20000 rows")


def test_auto_draws_no_line_through_changes_of_one_size(table: Engine) -> None:
    table.create_stream_table("st", QUERY, refresh_mode="AUTO")
    remember(table, ms_per_change=1, ms=-1900, full_ms=200, rows=(1950, 1960, 1970))
    change(table, 1300)
    assert table.refresh("st").action == "DIFFERENTIAL"


def test_auto_tries_a_larger_delta_that_may_be_faster(table: Engine) -> None:
    table.create_stream_table("st", QUERY, refresh_mode="AUTO")
    remember(table, ms_per_change=0.1, full_ms=200)
    change(table, 2500)
    assert table.refresh("st").action == "DIFFERENTIAL"


def test_auto_does_not_try_what_would_take_several_times_as_long(table: Engine) -> None:
    table.create_stream_table("st", QUERY, refresh_mode="AUTO")
    remember(table, ms_per_change=0.1, full_ms=100)
    change(table, 2500)
    done = table.refresh("st")
    assert done.reason == "5000 changes would take about 500 ms, recomputing about 100 ms"


def test_auto_tries_the_delta_once_where_it_only_ever_recomputed(table: Engine) -> None:
    table.create_stream_table("st", QUERY, refresh_mode="AUTO")
    change(table, 2000)
    done = table.refresh("st")
    assert (done.action, done.reason) == ("FULL", "4000 changes in about 20000 rows")
    change(table, 2000)
    assert table.refresh("st").action == "DIFFERENTIAL"
    assert table.verify("st").equal


def test_differential_is_never_recomputed_for_its_size(table: Engine) -> None:
    table.create_stream_table("st", QUERY, refresh_mode="DIFFERENTIAL")
    remember(table, ms_per_change=1, full_ms=1)
    change(table, 20000)
    assert table.refresh("st").action == "DIFFERENTIAL"
