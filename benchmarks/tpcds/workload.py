"""All queries that can be maintained differentially, against recomputing them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import psycopg
from rich.console import Console
from tests.corpora.tpcds.data import QUERIES

from benchmarks.measuring import Case, Result, Side, in_turn
from benchmarks.tpcds.data import change, load
from pgtrickle.engine import Engine
from pgtrickle.errors import PgTrickleError

ABOUT = (
    "Milliseconds of a refresh, and of the query into a temporary table, after 0.1 % of the tickets"
    " and orders of each channel were sold again and 0.1 % deleted, with their returns, and 0.1 %"
    " of items, customers, addresses and stocks updated."
)
LONGEST = "120s"
"""How long a query may take; those that take longer are left out, and named."""


def run(engine: Engine, *, scale: float, cycles: int) -> Result:
    load(engine.connection, scale)
    engine.connection.execute(f"set statement_timeout = '{LONGEST}'")
    cases = {
        name: Case(name, {"recompute": 1.0})
        for name, query in QUERIES.items()
        if _succeeds(
            name, partial(engine.create_stream_table, name, query, refresh_mode="DIFFERENTIAL")
        )
    }
    engine.connection.execute("vacuum analyze")
    for cycle in range(cycles):
        change(engine.connection, cycle)
        for name in list(cases):
            if not _succeeds(name, partial(_measure, engine, cases[name], cycle)):
                del cases[name]
            engine.connection.execute("drop table if exists recomputed")
    engine.connection.execute("reset statement_timeout")
    equal = all(engine.verify(name).equal for name in cases)
    left_out = ", ".join(name for name in QUERIES if name not in cases) or "none"
    sizes = {"scale": scale, "cycles": cycles, "left out": left_out}
    return Result("tpcds", ABOUT, list(cases.values()), equal, sizes)


def _measure(engine: Engine, case: Case, cycle: int) -> None:
    recompute = f"create temporary table recomputed as {QUERIES[case.name]}"
    sides: dict[str, Side] = {
        "refresh": partial(engine.refresh, case.name),
        "recompute": partial(engine.connection.execute, recompute),
    }
    case.add(in_turn(sides, cycle))


def _succeeds(name: str, action: Callable[[], object]) -> bool:
    try:
        action()
    except (PgTrickleError, psycopg.Error) as error:
        Console(stderr=True).print(f"{name}: {str(error).splitlines()[0]}")
        return False
    return True
