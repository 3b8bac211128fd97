"""What becomes of the figures: a table on the terminal, a JSON file, and a page with plots."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

import pgtrickle
from benchmarks.measuring import Case, Result
from pgtrickle.engine import Engine

SETTINGS = ("server_version", "shared_buffers", "work_mem", "synchronous_commit", "fsync", "jit")


def show(result: Result, console: Console) -> None:
    table = Table(title=f"{result.workload}: {result.about}", box=None, title_justify="left")
    table.add_column("case")
    for side in sides(result):
        table.add_column(side, justify="right")
    for yardstick in sides(result)[1:]:
        table.add_column(f"to {yardstick}", justify="right")
    for case in result.cases:
        cells = [f"{case.median(s):.2f}" if s in case.milliseconds else "" for s in sides(result)]
        table.add_row(case.name, *cells, *(_ratio(case, one) for one in sides(result)[1:]))
    console.print(table)
    if not result.equal:
        console.print("A stream table DIFFERS from its query.")


def sides(result: Result) -> list[str]:
    return list(dict.fromkeys(side for case in result.cases for side in case.sides))


def _ratio(case: Case, yardstick: str) -> str:
    if yardstick not in case.milliseconds or yardstick == case.sides[0]:
        return ""
    ratio = case.ratio(yardstick)
    missed = ratio > case.bars.get(yardstick, float("inf"))
    return f"{ratio:.3f}" + (f" (bar {case.bars[yardstick]:g})" if missed else "")


def surroundings(engine: Engine) -> dict[str, Any]:
    """Where the figures come from: machine, versions, settings, date."""
    names = ", ".join(f"'{name}'" for name in SETTINGS)
    rows = engine.session.rows(f"select name, setting from pg_settings where name in ({names})")
    return {
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "pgtrickle": pgtrickle.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "load": [round(one, 1) for one in os.getloadavg()],
        "settings": dict(rows),
    }


def keep(result: Result, where: dict[str, Any], directory: Path) -> Path:
    """Write `<directory>/<workload>.json`; the figures of the last run are those in the page."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{result.workload.replace(' ', '-')}.json"
    path.write_text(json.dumps({**where, **asdict(result)}, indent=1) + "\n", encoding="utf-8")
    return path
