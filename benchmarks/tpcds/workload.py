"""All queries that can be maintained differentially, against recomputing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
LONGEST = 30
"""Seconds after which a recomputation is given up, and counts as having taken so long."""
LONGEST_CREATION = 300
"""Seconds that a stream table may take to be created; those that take longer are left out."""
LONGEST_VERIFICATION = 30
"""Seconds after which the comparison with the query is given up; those are named."""


def run(engine: Engine, *, scale: float, cycles: int) -> Result:
    connection = engine.connection
    load(connection, scale)
    _give_up_after(connection, LONGEST_CREATION)
    cases = {
        name: Case(name, {"recompute": 1.0})
        for name, query in QUERIES.items()
        if _succeeds(
            name, partial(engine.create_stream_table, name, query, refresh_mode="DIFFERENTIAL")
        )
    }
    connection.execute("vacuum analyze")
    _give_up_after(connection, LONGEST)
    given_up: set[str] = set()
    for cycle in range(cycles):
        change(connection, cycle)
        for name in list(cases):
            if not _succeeds(name, partial(_measure, engine, cases[name], cycle, given_up)):
                del cases[name]
    verdicts = {name: _is_equal(engine, name) for name in cases}
    _give_up_after(connection, 0)
    left_out = ", ".join(name for name in QUERIES if name not in cases) or "none"
    sizes = {
        "scale": scale,
        "cycles": cycles,
        "left out": left_out,
        f"recomputed for {LONGEST} s and given up": ", ".join(sorted(given_up)) or "none",
        f"not compared in {LONGEST_VERIFICATION} s": ", ".join(_unknown(verdicts)) or "none",
    }
    return Result("tpcds", ABOUT, list(cases.values()), False not in verdicts.values(), sizes)


def _is_equal(engine: Engine, name: str) -> bool | None:
    """Whether a stream table equals its query; None where the query takes too long to tell."""
    _give_up_after(engine.connection, LONGEST_VERIFICATION)
    try:
        return engine.verify(name).equal
    except psycopg.errors.QueryCanceled:
        return None


def _unknown(verdicts: Mapping[str, bool | None]) -> list[str]:
    return [name for name, verdict in verdicts.items() if verdict is None]


def _give_up_after(connection: psycopg.Connection, seconds: int) -> None:
    connection.execute(f"set statement_timeout = '{seconds}s'")


def _measure(engine: Engine, case: Case, cycle: int, given_up: set[str]) -> None:
    sides: dict[str, Side] = {"refresh": partial(engine.refresh, case.name)}
    if case.name not in given_up:
        sides["recompute"] = partial(_recompute, engine.connection, case.name, given_up)
    times = in_turn(sides, cycle)
    if case.name in given_up:
        times["recompute"] = LONGEST * 1000.0
    case.add(times)


def _recompute(connection: psycopg.Connection, name: str, given_up: set[str]) -> None:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"create temporary table recomputed as {QUERIES[name]}")
    except psycopg.errors.QueryCanceled:
        given_up.add(name)


def _succeeds(name: str, action: Callable[[], object]) -> bool:
    try:
        action()
    except (PgTrickleError, psycopg.Error) as error:
        Console(stderr=True).print(f"{name}: {str(error).splitlines()[0]}")
        return False
    return True
