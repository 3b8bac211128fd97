"""``python -m benchmarks [WORKLOAD ...] [--full]``: measure, report, keep.

Exit status 1 where a stream table differs from its query; a figure above its bar is shown, and
fails nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

import pgtrickle
from benchmarks import (
    capture,
    dbt_runs,
    fixed_costs,
    growth,
    immediate,
    page,
    recompute,
    refresh,
    tpch,
    worker,
)
from benchmarks.measuring import Result
from benchmarks.report import keep, show, surroundings
from benchmarks.tpcds import workload as tpcds
from pgtrickle.embedded import server
from pgtrickle.engine import Engine

Workload = Callable[[Engine], Result]
SERVER = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}


def workloads(full: bool) -> dict[str, Workload]:
    """What there is to measure; small, or at the sizes that figures are quoted for."""
    rows = 1_000_000 if full else 200_000
    return {
        "refresh": lambda engine: refresh.run(engine, rows=rows, cycles=5),
        "fixed-costs": lambda engine: fixed_costs.run(engine, rows=rows, cycles=40),
        "capture": lambda engine: capture.run(engine, rows=rows, cycles=7),
        "immediate": lambda engine: immediate.run(engine, rows=rows, cycles=9),
        "recompute": lambda engine: recompute.run(engine, rows=rows, cycles=5),
        "growth": lambda engine: growth.run(
            engine,
            sizes=(1_000_000, 10_000_000, 30_000_000) if full else (100_000, 1_000_000),
            cycles=5,
        ),
        "worker": lambda engine: worker.run(
            engine, busy=20, quiet=200, idle=1000, seconds=300 if full else 60
        ),
        "dbt": lambda engine: dbt_runs.run(
            engine, models=200 if full else 40, rows=rows, cycles=5 if full else 3
        ),
        "tpch": lambda engine: tpch.run(engine, scale=1.0 if full else 0.1, cycles=5),
        "tpcds": lambda engine: tpcds.run(engine, scale=1.0 if full else 0.05, cycles=5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("workload", nargs="*", help="default: all")
    parser.add_argument("--full", action="store_true", help="at full size: an hour or two")
    options = parser.parse_args()
    known = workloads(options.full)
    unknown = set(options.workload) - set(known)
    if unknown:
        parser.error(f"no workload {', '.join(sorted(unknown))}; there is {', '.join(known)}")
    console = Console()
    equal = True
    for name in options.workload or known:
        result, where = _measure(known[name])
        show(result, console)
        console.print(f"Kept in {keep(result, where, page.RESULTS)}")
        equal = equal and result.equal
    console.print(f"Page: {page.write()}")
    raise SystemExit(0 if equal else 1)


def _measure(workload: Workload) -> tuple[Result, dict[str, object]]:
    """Run one workload on a server of its own."""
    with tempfile.TemporaryDirectory(prefix="pgtrickle-bench-") as directory:
        Path(directory).chmod(0o711)
        with server(Path(directory) / "server", settings=SERVER) as running:
            engine = pgtrickle.connect(running.dsn)
            engine.install()
            result = workload(engine)
            where = surroundings(engine)
            engine.close()
    return result, where


if __name__ == "__main__":
    main()
