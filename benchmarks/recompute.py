"""Recompute-and-apply-difference, which FULL refreshes are, against both forms of REFRESH."""

from __future__ import annotations

from functools import partial

from benchmarks.measuring import Case, Result, in_turn
from benchmarks.ten_queries import QUERIES, change, load
from pgtrickle.engine import Engine

ABOUT = (
    "Milliseconds of a refresh in mode FULL, which recomputes the query and writes only what"
    " differs, without keeping readers out."
)
SHARES = {0.01: "1 %", 0.5: "50 %"}
CHOSEN = ("scan", "join", "aggregate, 10,000 groups")


def run(engine: Engine, *, rows: int, cycles: int) -> Result:
    connection = engine.connection
    load(connection, rows)
    unique = {"scan": "id", "join": "id", "aggregate, 10,000 groups": "customer_id"}
    for number, query in enumerate(CHOSEN):
        engine.create_stream_table(f"st_{number}", QUERIES[query], refresh_mode="FULL")
        for view in (f"mv_{number}", f"cv_{number}"):
            connection.execute(f"create materialized view {view} as {QUERIES[query]}")
            # CONCURRENTLY needs it, and the stream table has one by itself.
            connection.execute(f"create unique index on {view} ({unique[query]})")
    cases = []
    for share, shown in SHARES.items():
        bars = {"REFRESH": 1.2 if share < 0.1 else 2.0}
        of_share = [Case(f"{query}, {shown} changed", bars) for query in CHOSEN]
        for cycle in range(cycles):
            change(connection, rows, share, cycle)
            for number, case in enumerate(of_share):
                sides = {
                    "stream table": f"select pgtrickle.refresh_stream_table('st_{number}')",
                    "REFRESH": f"refresh materialized view mv_{number}",
                    "CONCURRENTLY": f"refresh materialized view concurrently cv_{number}",
                }
                case.add(
                    in_turn(
                        {side: partial(connection.execute, text) for side, text in sides.items()},
                        cycle,
                    )
                )
        cases += of_share
    equal = all(engine.verify(f"st_{number}").equal for number in range(len(CHOSEN)))
    return Result("recompute", ABOUT, cases, equal, {"rows": rows, "cycles": cycles})
