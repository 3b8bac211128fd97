"""``python -m benchmarks.compiling``: from the text of a query to its plan, over TPC-H and TPC-DS.

Reported for each query: the time of the first compilation on a new connection and of the best of
some more; and of that the processor time of this process and of the server's, and the round
trips, which do not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
from rich.console import Console
from rich.table import Table
from tests.corpora.tpcds import data as tpcds
from tests.corpora.tpch import data as tpch

from pgtrickle.compiler import compile_query
from pgtrickle.embedded import server
from pgtrickle.engine import Engine, connect

Load = Callable[[psycopg.Connection[Any]], object]
CORPORA: dict[str, tuple[Mapping[str, str], Load, int]] = {
    "TPC-H": (tpch.QUERIES, lambda connection: tpch.load(connection, 0.002), 50),
    "TPC-DS": (tpcds.QUERIES, tpcds.load, 250),
}
"""Queries, how to load their tables, and the milliseconds a compilation may take."""


@dataclass(frozen=True)
class Cost:
    """Milliseconds by the clock, of processor time here and on the server; questions asked."""

    wall: float
    client: float
    backend: float
    trips: int

    @property
    def processor(self) -> float:
        return self.client + self.backend


class CountingSession:
    """A session that counts what it is asked."""

    def __init__(self, engine: Engine) -> None:
        self._session = engine.session
        self.trips = 0

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.trips += 1
        return self._session.rows(sql, parameters)


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="pgtrickle-bench-") as directory:
        Path(directory).chmod(0o711)
        with server(Path(directory) / "server", settings={"fsync": "off"}) as running:
            for name, (queries, load, limit) in CORPORA.items():
                with connect(running.dsn) as engine:
                    engine.install()
                    load(engine.connection)
                costs = {
                    query: _cost(running.dsn, text, options.repeat)
                    for query, text in queries.items()
                }
                _report(name, costs, limit, all_queries=options.all)
                with connect(running.dsn) as engine:
                    engine.uninstall(force=True)
                    engine.connection.execute("drop schema public cascade; create schema public")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compiling", description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="after the first (default: 5)")
    parser.add_argument("--all", action="store_true", help="a line for every query")
    return parser.parse_args()


def _cost(dsn: str, query: str, repeat: int) -> tuple[Cost, Cost]:
    """The first compilation on a connection, and the cheapest of those that follow."""
    with connect(dsn) as engine:
        backend = psutil.Process(engine.connection.info.backend_pid)
        first, *others = [_once(engine, backend, query) for _ in range(1 + repeat)]
    return first, min(others, key=lambda cost: cost.processor, default=first)


def _once(engine: Engine, backend: psutil.Process, query: str) -> Cost:
    session = CountingSession(engine)
    wall, client, there = time.perf_counter(), time.process_time(), processor_time(backend)
    with engine.connection.transaction():
        compile_query(session, query)
    return Cost(
        1000 * (time.perf_counter() - wall),
        1000 * (time.process_time() - client),
        1000 * (processor_time(backend) - there),
        session.trips,
    )


def processor_time(backend: psutil.Process) -> float:
    """Seconds; by the scheduler's own account where there is one, for it is the finest."""
    account = Path(f"/proc/{backend.pid}/schedstat")
    if account.exists():
        return int(account.read_text().split()[0]) / 1e9
    times = backend.cpu_times()
    return float(times.user + times.system)


def _report(
    name: str, costs: Mapping[str, tuple[Cost, Cost]], limit: int, *, all_queries: bool
) -> None:
    shown = Table(title=f"{name}: milliseconds from text to plan (at most {limit})", box=None)
    for column in ("query", "first", "processor", "again", "processor", "of it here", "questions"):
        shown.add_column(column, justify="left" if column == "query" else "right")
    if all_queries:
        for query, (first, again) in costs.items():
            shown.add_row(query, *_cells(first, again))
    for label, choose in (("median", statistics.median), ("most", max)):
        first, again = (
            Cost(*(choose([getattr(pair[i], f) for pair in costs.values()]) for f in FIELDS))
            for i in (0, 1)
        )
        shown.add_row(label, *_cells(first, again))
    slow = [query for query, (_, again) in costs.items() if again.processor > limit]
    Console().print(shown)
    Console().print(f"More than {limit} ms of processor time: {', '.join(slow) or 'none'}\n")


FIELDS = ("wall", "client", "backend", "trips")


def _cells(first: Cost, again: Cost) -> list[str]:
    times = (first.wall, first.processor, again.wall, again.processor, again.client)
    return [*(f"{each:.0f}" for each in times), f"{again.trips:.0f}"]


if __name__ == "__main__":
    main()
