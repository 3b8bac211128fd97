"""AUTO, where as much changes each time: recomputed, and nothing is kept for deltas."""

from __future__ import annotations

import psycopg
import pytest

from pgtrickle.engine import Engine

EXTREMES = "select g, min(v) as lo, max(v) as hi from source group by g"
QUERIES = {
    "extremes": EXTREMES,
    "values": "select g, count(distinct v) as n from source group by g",
    "groups in a join": (
        "select s.id, t.hi from source s"
        " join (select g, max(v) as hi from source group by g) t on t.g = s.g where s.v = t.hi"
    ),
}


@pytest.fixture
def tables(engine: Engine) -> Engine:
    engine.connection.execute(
        "create table source (id integer primary key, g integer, v integer);"
        "insert into source select i, i % 10, i * 7919 % 1000 from generate_series(1, 6000) i;"
        "analyze source"
    )
    return engine


def change(engine: Engine, rows: int) -> None:
    """Twice as many changes as rows."""
    engine.connection.execute(
        "update source set v = (v + 13) %% 1000 where id between 1 and %s", (rows,)
    )


def remember(
    engine: Engine,
    *,
    delta_ms: float,
    filling_ms: float | None = 1000,
    without_states_ms: float | None = None,
    refills: int = 0,
    changes: int = 4000,
) -> None:
    """A past of large refreshes that took so long: by delta, recomputing with or without states."""
    engine.connection.execute("delete from pgtrickle.pgt_refresh_history")
    past = [("DIFFERENTIAL", delta_ms, False)] * 3
    if filling_ms is not None:
        past.insert(0, ("FULL", filling_ms, False))
    if without_states_ms is not None:
        past += [("FULL", without_states_ms, True), ("FULL", filling_ms or 0, False)] * refills
        past.append(("FULL", without_states_ms, True))
    for action, ms, without_states in past:
        engine.connection.execute(
            "insert into pgtrickle.pgt_refresh_history (pgt_id, data_timestamp, start_time,"
            " end_time, action, status, delta_row_count, without_states)"
            " select pgt_id, now(), now(), now() + %s * interval '1 millisecond', %s, 'COMPLETED',"
            " %s, %s from pgtrickle.pgt_stream_tables",
            (ms, action, changes, without_states),
        )
    engine.connection.execute("update pgtrickle.pgt_stream_tables set last_full_ms = 1000")


def kept_rows(engine: Engine) -> int:
    """How many rows the state tables have."""
    tables = engine.connection.execute(
        "select format('pgtrickle_state.%I', s ->> 'name') from pgtrickle.pgt_plans,"
        " jsonb_array_elements(plan -> 'state') s"
    ).fetchall()
    counts = [
        engine.connection.execute(psycopg.sql.SQL(f"select count(*) from {name}")).fetchone()  # type: ignore[arg-type]
        for (name,) in tables
    ]
    return sum(count[0] for count in counts if count is not None)


def leave_empty(engine: Engine, query: str) -> None:
    engine.create_stream_table("st", query, refresh_mode="AUTO")
    remember(engine, delta_ms=900)
    change(engine, 2000)
    done = engine.refresh("st")
    assert done.action == "FULL"
    assert done.reason == (
        "4000 changes would take longer than recomputing;"
        " as much changed the last times, so nothing is kept for deltas"
    )
    assert kept_rows(engine) == 0
    assert engine.verify("st").equal


@pytest.mark.parametrize("query", QUERIES)
def test_states_stay_empty_until_less_changes(query: str, tables: Engine) -> None:
    leave_empty(tables, QUERIES[query])
    remember(tables, delta_ms=900, without_states_ms=400)
    change(tables, 1900)
    assert tables.refresh("st").action == "FULL"
    assert kept_rows(tables) == 0
    assert tables.refresh("st").action == "NO_DATA"
    assert tables.refresh("st").action == "NO_DATA"
    change(tables, 10)
    done = tables.refresh("st")
    assert (done.action, done.reason) == (
        "FULL",
        "nothing was kept for deltas the last time, when more changed",
    )
    assert kept_rows(tables) > 0
    assert tables.verify("st").equal
    tables.connection.execute("delete from source where v < 40")
    assert tables.refresh("st").action == "DIFFERENTIAL"
    assert tables.verify("st").equal


def test_what_took_longer_than_the_delta_is_not_done_again(tables: Engine) -> None:
    leave_empty(tables, EXTREMES)
    remember(tables, delta_ms=900, without_states_ms=950)
    change(tables, 2000)
    assert tables.refresh("st").action == "FULL"
    assert kept_rows(tables) > 0
    remember(tables, delta_ms=900, without_states_ms=950)
    change(tables, 2000)
    assert tables.refresh("st").action == "DIFFERENTIAL"
    assert tables.verify("st").equal


def test_it_is_not_done_where_filling_again_cost_more_than_it_saved(tables: Engine) -> None:
    tables.create_stream_table("st", EXTREMES, refresh_mode="AUTO")
    remember(tables, delta_ms=900, without_states_ms=300, refills=1)
    change(tables, 2000)
    tables.refresh("st")
    assert kept_rows(tables) == 0  # two have saved 1200 ms
    remember(tables, delta_ms=700, without_states_ms=300, refills=2)
    change(tables, 2000)
    tables.refresh("st")
    assert kept_rows(tables) > 0  # three have saved 1200 ms, and 2000 were paid


def test_explain_does_not_run_a_delta_over_empty_states(tables: Engine) -> None:
    tables.connection.execute(
        "create table other (id integer primary key);"
        "insert into other select generate_series(0, 15)"
    )
    leave_empty(
        tables,
        "select o.id, count(s.id) as n, avg(s.v) as a from other o join source s on s.g = o.id"
        " group by o.id",
    )
    tables.connection.execute("insert into source values (9001, 5, 1)")
    shown = tables.connection.execute("select * from pgtrickle.explain_st('st', true)").fetchall()
    assert shown
    plan = tables.connection.execute("select * from pgtrickle.explain_delta('st')").fetchall()
    assert not any("changes_" in line for (line,) in plan)


def test_the_time_it_takes_is_none_of_recomputing_with_states(tables: Engine) -> None:
    leave_empty(tables, EXTREMES)
    assert tables.connection.execute(
        "select s.last_full_ms, f.states_are_empty, h.without_states"
        " from pgtrickle.pgt_stream_tables s"
        " join pgtrickle.pgt_frontiers f using (pgt_id)"
        " join pgtrickle.pgt_refresh_history h using (pgt_id)"
        " order by h.refresh_id desc limit 1"
    ).fetchone() == (1000, True, True)


@pytest.mark.parametrize(
    ("query", "mode", "changes", "delta_ms", "filling_ms"),
    [
        pytest.param(EXTREMES, "DIFFERENTIAL", 4000, 900, 1000, id="not AUTO"),
        pytest.param(EXTREMES, "AUTO", 500, 900, 1000, id="less before"),
        pytest.param(EXTREMES, "AUTO", 4000, 400, 1000, id="a fast delta"),
        pytest.param(EXTREMES, "AUTO", 4000, 90, 100, id="nothing to be won"),
        pytest.param(EXTREMES, "AUTO", 4000, 900, None, id="never recomputed"),
        pytest.param(
            "select id, g, v from (select id, g, v, row_number() over (partition by g"
            " order by v, id) as place from source) r where place <= 3",
            "AUTO",
            4000,
            900,
            1000,
            id="a query of the plan's own",
        ),
        pytest.param(
            "select g, array_agg(v) as vs from source group by g",
            "AUTO",
            4000,
            900,
            1000,
            id="a choice",
        ),
        pytest.param(
            "select id, v from (select id, v, row_number() over (order by v) as n from source) r"
            " where n <= 3",
            "AUTO",
            4000,
            900,
            1000,
            id="a choice among peers",
        ),
    ],
)
def test_states_are_kept(
    query: str,
    mode: str,
    changes: int,
    delta_ms: float,
    filling_ms: float | None,
    tables: Engine,
) -> None:
    tables.create_stream_table("st", query, refresh_mode=mode)
    remember(tables, delta_ms=delta_ms, filling_ms=filling_ms, changes=changes)
    change(tables, 2000)
    tables.refresh("st")
    assert kept_rows(tables) > 0
    assert tables.verify("st").equal


def test_a_refresh_that_is_undone_leaves_what_was_kept(tables: Engine) -> None:
    tables.create_stream_table("st", EXTREMES, refresh_mode="AUTO")
    remember(tables, delta_ms=900)
    change(tables, 2000)
    before = kept_rows(tables)
    with tables.connection.transaction(force_rollback=True):
        tables.connection.execute("select pgtrickle.refresh_stream_table('st')")
        assert kept_rows(tables) == 0
    assert kept_rows(tables) == before
    remember(tables, delta_ms=9)
    assert tables.refresh("st").action == "DIFFERENTIAL"
    assert tables.verify("st").equal


@pytest.mark.parametrize("mode", ["DIFFERENTIAL", "IMMEDIATE", "FULL"])
def test_another_mode_begins_with_what_it_needs(mode: str, tables: Engine) -> None:
    leave_empty(tables, EXTREMES)
    tables.connection.execute(
        "select pgtrickle.alter_stream_table('st', refresh_mode => %s)", (mode,)
    )
    for _ in range(3):
        tables.connection.execute("delete from source where v = (select min(v) from source)")
        tables.connection.execute("update source set v = v + 1 where id % 400 = 0")
        if mode != "IMMEDIATE":
            tables.refresh("st")
        assert tables.verify("st").equal
    if mode == "DIFFERENTIAL":
        assert tables.refresh("st").action == "NO_DATA"
        change(tables, 5)
        assert tables.refresh("st").action == "DIFFERENTIAL"


@pytest.mark.parametrize(
    "what", ["truncate source", "alter table source alter v type bigint", "another query"]
)
def test_what_recomputes_anyway_fills_them(what: str, tables: Engine) -> None:
    leave_empty(tables, EXTREMES)
    if what == "another query":
        tables.connection.execute(
            "select pgtrickle.alter_stream_table('st',"
            " query => 'select g, min(v) as lo, max(v) as hi from source where id > 9 group by g')"
        )
    elif what.startswith("alter"):
        tables.connection.execute(what)
    else:
        tables.connection.execute(
            "truncate source; insert into source select i, i % 3, i from generate_series(1, 90) i"
        )
    tables.refresh("st")
    tables.connection.execute("update source set v = v - 500 where id in (10, 11, 60)")
    assert tables.refresh("st").action in ("DIFFERENTIAL", "FULL", "REINITIALIZE")
    assert tables.verify("st").equal
    tables.connection.execute("delete from source where id in (10, 11, 60)")
    assert tables.refresh("st").action == "DIFFERENTIAL"
    assert tables.verify("st").equal
