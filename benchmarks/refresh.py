"""Ten queries over orders and customers: a refresh against REFRESH MATERIALIZED VIEW."""

from __future__ import annotations

from benchmarks.measuring import Case, Result, in_turn
from benchmarks.ten_queries import QUERIES, change, load
from pgtrickle.engine import Engine

ABOUT = (
    "Milliseconds of a refresh and of REFRESH MATERIALIZED VIEW, commit included, after a share of"
    " the orders was updated, deleted and inserted (70, 15 and 15 %)."
)
SHARES = {0.001: "0.1 %", 0.01: "1 %", 0.1: "10 %"}


def run(engine: Engine, *, rows: int, cycles: int) -> Result:
    load(engine.connection, rows)
    tables = {query: f"st_{number}" for number, query in enumerate(QUERIES)}
    for query, sql in QUERIES.items():
        engine.create_stream_table(tables[query], sql, refresh_mode="AUTO")
        engine.connection.execute(f"create materialized view mv_{tables[query]} as {sql}")
    cases = []
    for share, shown in SHARES.items():
        of_share = {query: Case(f"{query}, {shown}", bar=1.0) for query in QUERIES}
        for cycle in range(cycles):
            change(engine.connection, rows, share, cycle)
            for query, table in tables.items():
                sides = {
                    "stream table": lambda table=table: engine.refresh(table),
                    "REFRESH": lambda table=table: engine.connection.execute(
                        f"refresh materialized view mv_{table}"
                    ),
                }
                of_share[query].add(in_turn(sides, cycle))
        cases += [*of_share.values(), _sum(f"sum of ten, {shown}", list(of_share.values()))]
    equal = all(engine.verify(table).equal for table in tables.values())
    return Result("refresh", ABOUT, cases, equal, {"rows": rows, "cycles": cycles})


def _sum(name: str, cases: list[Case]) -> Case:
    return Case(name, {side: [sum(case.median(side) for case in cases)] for side in cases[0].sides})
