"""Where a stream table shows all that carries its groups forward, it is its own state."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine

SHOWN = [
    "select customer, count(*) as n from lines group by customer",
    "select count(*) as n, g, sum(v) as s, min(v) as lo, max(w) as hi from lines group by g",
    "select g, customer, count(*) as n, count(w) as some from lines group by customer, g",
    "select w, count(*) as n from lines group by w",
]
KEPT = [
    "select g, sum(v) as s from lines group by g",
    "select g, count(*) as n, sum(w) as s from lines group by g",
    "select g, count(*) as n, avg(v) as a from lines group by g",
    "select g, count(*) as n, count(distinct v) as d from lines group by g",
    "select g, count(*) as n from lines group by g having count(*) > 3",
    "select count(*) as n from lines",
]
CHANGES = [
    "update lines set v = v + 1, w = nullif(w, 3) where id % 4 = 0",
    "delete from lines where g = 2 or id % 7 = 1",
    "insert into lines select 200 + i, i % 5, i % 6, i, i % 4 from generate_series(1, 40) i",
    "update lines set g = 9, customer = 1 where id % 3 = 0",
    "delete from lines",
    "insert into lines values (1, 1, 1, 1, null)",
]


@pytest.mark.parametrize("query", [*SHOWN, *KEPT])
def test_groups_are_carried_forward_from_what_is_shown_or_kept(engine: Engine, query: str) -> None:
    run = engine.connection.execute
    run(
        "create table lines (id integer primary key, g integer not null, customer integer not null,"
        " v numeric(10, 2) not null, w integer);"
        "insert into lines"
        " select i, i % 5, i % 9, i, nullif(i % 6, 0) from generate_series(1, 90) i"
    )
    engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    (states,) = run(
        "select jsonb_array_length(plan -> 'state') from pgtrickle.pgt_plans"
    ).fetchone() or (None,)
    assert (states == 0) is (query in SHOWN)
    for change in CHANGES:
        run(change)
        assert engine.refresh("st").action in ("DIFFERENTIAL", "NO_DATA")
        assert engine.verify("st").equal, change
