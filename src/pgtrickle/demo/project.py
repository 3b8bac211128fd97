"""dbt on the demo's project: building it, and reading which stream tables came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from .errors import DemoError

DATABASE = "flights"
# The profile reads it; see examples/flights/profiles.yml.
DIRECTORY_VARIABLE = "PGTRICKLE_DEMO_DIRECTORY"

_IN_A_CLONE = Path(__file__).resolve().parents[3] / "examples" / "flights"
_DBT = "from dbt.cli.main import cli; cli()"


@dataclass(frozen=True)
class StreamTable:
    """A model that became a stream table, and the query dbt compiled it to."""

    schema: str
    name: str
    query: str

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"


def locate() -> Path:
    """The directory of the dbt project. Raises `DemoError` outside a clone of the repository."""
    if not (_IN_A_CLONE / "dbt_project.yml").is_file():
        raise DemoError(
            "The demo's dbt project, examples/flights, is not there.",
            hint="Run the demo from a clone of the repository: make demo",
        )
    return _IN_A_CLONE


def build(project: Path, directory: Path, say: Callable[[str], None]) -> None:
    """Run `dbt build` against the server of `directory`; what it writes goes there as well.

    `say` gets dbt's lines, less the announcements and the tests that pass. Raises `DemoError`
    when a model or a test fails.
    """
    arguments = [
        "build",
        *("--project-dir", str(project), "--profiles-dir", str(project)),
        *("--target-path", str(_target(directory)), "--log-path", str(directory / "logs")),
        "--no-use-colors",
    ]
    environment = os.environ | {
        DIRECTORY_VARIABLE: str(directory),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", _DBT, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if " START " not in line and " PASS " not in line:
                say(line.rstrip())
    if process.returncode != 0:
        raise DemoError(
            f"dbt build ended with status {process.returncode}.",
            hint=f"What it did is written down in {directory / 'logs' / 'dbt.log'}.",
        )


def stream_tables(directory: Path) -> list[StreamTable]:
    """The stream tables of the last build, each after those it reads."""
    manifest = json.loads((_target(directory) / "manifest.json").read_text())
    nodes: dict[str, Any] = manifest["nodes"]
    order = TopologicalSorter(
        {unique_id: node["depends_on"]["nodes"] for unique_id, node in nodes.items()}
    )
    return [
        StreamTable(node["schema"], node["alias"], node["compiled_code"])
        for unique_id in order.static_order()
        if (node := nodes.get(unique_id)) is not None
        and node["resource_type"] == "model"
        and node["config"]["materialized"] == "stream_table"
    ]


def _target(directory: Path) -> Path:
    return directory / "target"
