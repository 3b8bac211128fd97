"""``python -m benchmarks``: refresh against REFRESH MATERIALIZED VIEW."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import pgtrickle
from benchmarks.workload import QUERIES, change, load
from pgtrickle.embedded import server
from pgtrickle.engine import Engine

SHARES = (0.001, 0.01, 0.1)
Timings = dict[str, dict[str, list[tuple[float, float]]]]


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="pgtrickle-bench-") as directory:
        Path(directory).chmod(0o711)
        settings = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}
        with server(Path(directory) / "server", settings=settings) as running:
            engine = pgtrickle.connect(running.dsn)
            engine.install()
            load(engine.connection, options.rows)
            _create(engine)
            timings = _measure(engine, options.rows, options.cycles)
            equal = {query: engine.verify(_table(query)).equal for query in QUERIES}
            version = engine.session.rows("select current_setting('server_version')")[0][0]
            engine.close()
    _report(timings, equal)
    _keep(options.output, timings, equal, str(version), options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="orders (default: 1,000,000)")
    parser.add_argument("--cycles", type=int, default=5, help="cycles per share (default: 5)")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    return parser.parse_args()


def _table(query: str) -> str:
    return f"st_{list(QUERIES).index(query)}"


def _create(engine: Engine) -> None:
    for query, sql in QUERIES.items():
        engine.create_stream_table(_table(query), sql, refresh_mode="AUTO")
        engine.connection.execute(f"create materialized view mv_{_table(query)} as {sql}")


def _measure(engine: Engine, rows: int, cycles: int) -> Timings:
    """Milliseconds of (refresh, REFRESH MATERIALIZED VIEW) by share and query."""
    timings: Timings = {}
    for share in SHARES:
        timings[str(share)] = {query: [] for query in QUERIES}
        for cycle in range(cycles):
            change(engine.connection, rows, share, cycle)
            for query in QUERIES:
                table = _table(query)
                pair = [0.0, 0.0]
                # Alternate who goes first: the second finds the sources in memory.
                for which in (0, 1) if cycle % 2 else (1, 0):
                    started = time.perf_counter()
                    if which:
                        engine.connection.execute(f"refresh materialized view mv_{table}")
                    else:
                        engine.refresh(table)
                    pair[which] = (time.perf_counter() - started) * 1000
                timings[str(share)][query].append((pair[0], pair[1]))
    return timings


def _report(timings: Timings, equal: dict[str, bool]) -> None:
    shown = Table(title="refresh (ms), and its share of REFRESH MATERIALIZED VIEW", box=None)
    shown.add_column("query")
    for share in timings:
        shown.add_column(f"{float(share):.1%} changed", justify="right")
    shown.add_column("equal")
    for query in QUERIES:
        cells = []
        for by_query in timings.values():
            ours, theirs = (statistics.median(side) for side in zip(*by_query[query], strict=True))
            cells.append(f"{ours:.1f} ({ours / theirs:.1%})")
        shown.add_row(query, *cells, "yes" if equal[query] else "NO")
    sums = []
    for by_query in timings.values():
        ours, theirs = (
            sum(statistics.median(pair[side] for pair in pairs) for pairs in by_query.values())
            for side in (0, 1)
        )
        sums.append(f"{ours:.1f} ({ours / theirs:.1%})")
    shown.add_row("sum of all", *sums)
    Console().print(shown)
    if not all(equal.values()):
        raise SystemExit(1)


def _keep(
    directory: Path,
    timings: Timings,
    equal: dict[str, bool],
    version: str,
    options: argparse.Namespace,
) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    now = datetime.now(timezone.utc)
    record: dict[str, Any] = {
        "at": now.isoformat(timespec="seconds"),
        "postgresql": version,
        "pgtrickle": pgtrickle.__version__,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "rows": options.rows,
        "cycles": options.cycles,
        "milliseconds": timings,
        "equal": equal,
    }
    path = directory / f"refresh-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    Console().print(f"Kept in {path}")


if __name__ == "__main__":
    main()
