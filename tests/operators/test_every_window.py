"""Every window function that PostgreSQL has, and every kind of frame."""

from __future__ import annotations

import random
from itertools import product

import pytest

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

STARTS = ("unbounded preceding", "2 preceding", "current row", "1 following")
ENDS = ("1 preceding", "current row", "2 following", "unbounded following")
EXCLUDED = ("no others", "current row", "group", "ties")
MODES = ("rows", "range", "groups")
ARGUMENTS = {
    "ntile": ("3",),
    "lag": ("v", "v, 2", "v, 1, -1"),
    "lead": ("v", "v, 2", "v, 1, -1"),
    "first_value": ("v",),
    "last_value": ("v",),
    "nth_value": ("v, 2",),
}
FRAMED = ("first_value", "last_value", "nth_value", "sum", "count", "min", "array_agg")


def frames(mode: str) -> list[str]:
    """All frames that PostgreSQL takes: one may not begin after it ends."""
    bounds = [
        (start, end)
        for start, end in product(STARTS, ENDS)
        if not (start == "current row" and end == "1 preceding")
        and not (start == "1 following" and end in ("1 preceding", "current row"))
    ]
    return [
        f"{mode} between {start} and {end} exclude {excluded}"
        for (start, end), excluded in product(bounds, EXCLUDED)
    ] + [f"{mode} {start}" for start in STARTS[:3]]


def queries(engine: Engine) -> dict[str, str]:
    names = [
        name
        for (name,) in engine.connection.execute(
            "select distinct proname from pg_catalog.pg_proc where prokind = 'w' order by 1"
        )
    ]
    assert set(names) >= {*ARGUMENTS, "row_number", "rank", "cume_dist"}
    calls = [f"{name}({given})" for name in names for given in ARGUMENTS.get(name, ("",))]
    orders = ("", "order by v, id", "order by v desc nulls last, id")
    over = [
        f"{call} over ({partition} {order or 'order by id'})"
        for call, partition, order in product(
            calls, ("", "partition by g", "partition by g, w"), orders
        )
    ]
    found = {"functions": f"select id, {_columns(over)} from t"}
    for name, mode in product(FRAMED, MODES):
        # Of peers, which come first is open: rows are ordered by a key, others by a value.
        order = "order by v, id" if mode == "rows" else "order by v"
        given = {"nth_value": "v, 2", "array_agg": "v"}.get(name, "v")
        windows = [f"{name}({given}) over (partition by g {order} {each})" for each in frames(mode)]
        found[f"{name} {mode}"] = f"select id, {_columns(windows)} from t"
    return found


def _columns(items: list[str]) -> str:
    return ", ".join(f"{item} as c{i}" for i, item in enumerate(items))


def change(dice: random.Random) -> str:
    id = dice.randint(1, 60)
    return dice.choice(
        [
            f"insert into t values ({id}, {id % 4}, {id % 6}, 'w') on conflict do nothing",
            f"update t set v = nullif(v + 1, 4) where id % 7 = {id % 7}",
            f"update t set g = nullif(g + 1, 3) where id % 5 = {id % 5}",
            f"delete from t where id % 9 = {id % 9}",
        ]
    )


def test_every_function_and_frame_is_exact(engine: Engine) -> None:
    engine.connection.execute(
        "create table t (id integer primary key, g integer, v integer, w text);"
        "insert into t select i, nullif(i % 4, 3), nullif(i % 6, 5), 'w' || i % 2"
        " from generate_series(1, 40) i"
    )
    made = queries(engine)
    for number, query in enumerate(made.values()):
        engine.create_stream_table(f"st_{number}", query, refresh_mode="DIFFERENTIAL")
    dice = random.Random(5)
    for cycle in range(4):
        for _ in range(3):
            engine.connection.execute(change(dice))
        for number, name in enumerate(made):
            assert engine.refresh(f"st_{number}").action == "DIFFERENTIAL", name
            verdict = engine.verify(f"st_{number}")
            assert verdict.equal, (cycle, name, verdict.differences)
