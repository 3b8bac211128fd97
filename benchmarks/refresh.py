"""Ten queries over orders and customers: a refresh against REFRESH MATERIALIZED VIEW."""

from __future__ import annotations

from benchmarks.floor import Floor
from benchmarks.measuring import Case, Result, in_turn
from benchmarks.ten_queries import QUERIES, change, load
from pgtrickle.engine import Engine

ABOUT = (
    "Milliseconds of a refresh, of REFRESH MATERIALIZED VIEW, and of a statement written by hand"
    " (the floor), commit included, after a share of the orders was updated, deleted and"
    " inserted (70, 15 and 15 %)."
)
SUMS = {
    0.001: {"REFRESH": 0.02, "floor": 1.25},
    0.01: {"REFRESH": 0.12, "floor": 1.25},
    0.1: {"REFRESH": 0.45},
}
SHARES = {0.001: "0.1 %", 0.01: "1 %", 0.1: "10 %"}


def run(engine: Engine, *, rows: int, cycles: int) -> Result:
    load(engine.connection, rows)
    tables = {query: f"st_{number}" for number, query in enumerate(QUERIES)}
    for query, sql in QUERIES.items():
        engine.create_stream_table(tables[query], sql, refresh_mode="AUTO")
        engine.connection.execute(f"create materialized view mv_{tables[query]} as {sql}")
    floor = Floor(engine.connection)
    call = "select pgtrickle.refresh_stream_table"
    cases = []
    for share, shown in SHARES.items():
        of_share = {
            query: Case(f"{query}, {shown}", {"REFRESH": 1.0, "floor": 1.5}) for query in QUERIES
        }
        for cycle in range(cycles):
            change(engine.connection, rows, share, cycle)
            for number, (query, table) in enumerate(tables.items(), 1):
                sides = {
                    "stream table": lambda table=table: engine.connection.execute(
                        f"{call}('{table}')"
                    ),
                    "REFRESH": lambda table=table: engine.connection.execute(
                        f"refresh materialized view mv_{table}"
                    ),
                    "floor": lambda number=number: floor.apply(number),
                }
                of_share[query].add(in_turn(sides, cycle))
            floor.consume()
        cases += [
            *of_share.values(),
            _sum(f"sum of ten, {shown}", SUMS[share], list(of_share.values())),
        ]
    wrong = [query for n, (query, sql) in enumerate(QUERIES.items(), 1) if floor.differs(n, sql)]
    if wrong:
        raise AssertionError(f"the floor is wrong for {wrong}")
    equal = all(engine.verify(table).equal for table in tables.values())
    return Result("refresh", ABOUT, cases, equal, {"rows": rows, "cycles": cycles})


def _sum(name: str, bars: dict[str, float], cases: list[Case]) -> Case:
    medians = {side: [sum(case.median(side) for case in cases)] for side in cases[0].sides}
    return Case(name, bars, medians)
