"""What to try when the demo has ended: commands that work as they stand."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from .project import DATABASE, DIRECTORY_VARIABLE


def next_steps(
    directory: Path, models: Path, dsn: str, *, running: bool
) -> Iterator[tuple[str, list[str]]]:
    """Things to try, each with its commands; `running` says whether the server still does."""
    pgtrickle, dbt = _program("pgtrickle"), _program("dbt")
    home = _shown(directory)
    build = (
        f"{DIRECTORY_VARIABLE}={_quoted(directory)} {dbt} build --select routes+"
        f" --project-dir {_shown(models)} --profiles-dir {_shown(models)}"
    )
    psql = f"{pgtrickle} server psql {home} --database {DATABASE}"
    if not running:
        yield "Start the server again", [f"{pgtrickle} server start {home}"]
    yield (
        "See what is there",
        [
            f"export PGTRICKLE_DSN={shlex.quote(dsn)}",
            f"{pgtrickle} status",
            f"{pgtrickle} explain analytics.carrier_delays",
            f"{pgtrickle} verify --all",
        ],
    )
    yield (
        "Change something, refresh, and look",
        [
            psql,
            "update nyc.flights set arr_delay = 1440 where flight_id = 1;",
            "select pgtrickle.refresh_stream_table('analytics.carrier_delays');",
            "select carrier, latest from analytics.carrier_delays order by latest desc;",
        ],
    )
    yield (
        "Change a model, in place, and test all that reads it",
        [f"$EDITOR {_shown(models / 'models' / 'marts' / 'routes.sql')}", build],
    )
    yield "Stop the server", [f"{pgtrickle} server stop {home}"]


def _program(name: str) -> str:
    """How to call a program of this Python environment from where the user is."""
    here = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    if found is not None and Path(found).resolve() == here.resolve():
        return name
    return _shown(here)


def _shown(path: Path) -> str:
    """A path as short as it may be from the current directory, quoted for the shell."""
    relative = os.path.relpath(path)
    return _quoted(path) if relative.startswith("..") else shlex.quote(relative)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
