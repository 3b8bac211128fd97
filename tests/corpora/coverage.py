"""Writes docs/coverage.md: how every query of the corpora is maintained.

python -m tests.corpora.coverage
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import psycopg
from benchmarks.compiling import processor_time
from tests.corpora.job import data as job
from tests.corpora.nexmark import data as nexmark
from tests.corpora.tpcds import data as tpcds
from tests.corpora.tpch import data as tpch

from pgtrickle.embedded import server
from pgtrickle.engine import connect
from pgtrickle.plan import Plan

REPORT = Path(__file__).parents[2] / "docs" / "coverage.md"
HEAD = """# How the corpora are maintained

Made by `make coverage-report`. A query is *differential* when its result follows the changes of
its sources by their delta; else it is recomputed, for the reason given. *States* are the hidden
tables that stateful operators keep; *compile* is the processor time from text to plan, of client
and server together, on a connection in use; *delta* the size of the statement for changes of all
sources at once.
"""

Load = Callable[[psycopg.Connection], None]
CORPORA: dict[str, tuple[Mapping[str, str], Load]] = {
    "TPC-H": (tpch.QUERIES, lambda connection: tpch.load(connection, 0.002)),
    "TPC-DS": (tpcds.QUERIES, tpcds.load),
    "Joins of the Join Order Benchmark's shapes": (job.QUERIES, job.load),
    "Nexmark (without q12, which asks for the time of processing)": (nexmark.QUERIES, nexmark.load),
}


def main() -> None:
    parts = [HEAD]
    with (
        tempfile.TemporaryDirectory() as directory,
        server(Path(directory) / "server", settings={"fsync": "off"}) as started,
    ):
        for name, (queries, load) in CORPORA.items():
            with psycopg.connect(started.dsn, autocommit=True) as connection:
                connection.execute("drop schema public cascade")
                connection.execute("create schema public")
            parts.append("\n".join(_section(started.dsn, name, queries, load)))
    REPORT.write_text("\n".join(parts) + "\n")


def _section(dsn: str, name: str, queries: Mapping[str, str], load: Load) -> Iterator[str]:
    with connect(dsn) as engine:
        engine.install()
        load(engine.connection)
        engine.compile("select 1 as one")
        backend = psutil.Process(engine.connection.info.backend_pid)
        plans = {}
        for query, text in queries.items():
            started = _processor_time(backend)
            plan = engine.compile(text)
            plans[query] = (plan, 1000 * (_processor_time(backend) - started))
        differential = sum(plan.mode == "DIFFERENTIAL" for plan, _ in plans.values())
        times = sorted(milliseconds for _, milliseconds in plans.values())
        yield f"## {name}: {differential} of {len(plans)} differential\n"
        median = statistics.median(times)
        yield f"Time to compile: median {median:.0f} ms, longest {times[-1]:.0f} ms.\n"
        yield "| query | maintained | sources | states | compile | delta |"
        yield "|---|---|---:|---:|---:|---:|"
        for query, (plan, milliseconds) in plans.items():
            yield _row(query, plan, milliseconds)
        yield ""
        engine.uninstall(force=True)


def _processor_time(backend: psutil.Process) -> float:
    """Seconds spent here and by the server."""
    return time.process_time() + processor_time(backend)


def _row(query: str, plan: Plan, milliseconds: float) -> str:
    if plan.mode != "DIFFERENTIAL":
        return f"| {query} | recomputed: {plan.reason} | | | {milliseconds:.0f} ms | |"
    longest = max(map(len, plan.deltas.values()), default=0)
    return (
        f"| {query} | differential | {len(plan.sources)} | {len(plan.state)} "
        f"| {milliseconds:.0f} ms | {longest / 1024:.0f} kB |"
    )


if __name__ == "__main__":
    main()
