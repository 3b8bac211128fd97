"""The integration project, run by its own script against the tests' server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.conftest import FreshDatabase
from tests.dbt.native.installed import INSTALLED, native_database
from tests.dbt.native.standin import standin
from tests.dbt.project import REPOSITORY

SCRIPT = REPOSITORY / "integration_tests" / "scripts" / "run_dbt_tests.sh"
WAIT = SCRIPT.with_name("wait_for_populated.sh")


def run_integration_project(database: str, targets: str, programs: Path) -> str:
    """Run the script on a database with these programs; what it printed."""
    server = conninfo_to_dict(database)
    done = subprocess.run(
        [SCRIPT],
        env={
            **os.environ,
            "DBT_BIN": str(programs),
            "DBT_TARGETS": targets,
            "PGHOST": str(server["host"]),
            "PGPORT": str(server["port"]),
            "PGUSER": str(server["user"]),
            "PGPASSWORD": str(server.get("password", "unused")),
            "PGDATABASE": str(server["dbname"]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("target", ["package", "adapter", "both"])
def test_the_integration_project_passes(database: str, target: str) -> None:
    run_integration_project(database, target, Path(sys.executable).parent)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["0.15.0", "0.108.3", *INSTALLED])
def test_it_passes_on_the_extension(
    fresh_database: FreshDatabase, database_name: str, version: str
) -> None:
    is_installed = version in INSTALLED
    with (native_database if is_installed else fresh_database)(name=database_name) as dsn:
        if not is_installed:
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(standin(version))  # type: ignore[arg-type]
        said = run_integration_project(dsn, "package adapter", Path(sys.executable).parent)
    assert "== package on the native engine" in said
    assert "== adapter on the native engine" in said


def _programs() -> dict[str, str]:
    return {**os.environ, "DBT_BIN": str(Path(sys.executable).parent)}


def test_the_script_tells_its_options_and_refuses_others() -> None:
    told = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(option in told for option in ("--docker", "--skip-build", "--keep-container"))
    refused = subprocess.run([SCRIPT, "--dockr"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "--dockr" in refused.stderr


@pytest.mark.parametrize("options", [["--docker"], ["--skip-build"], ["--keep-container"]])
def test_without_docker_the_script_says_that_it_needs_it(
    tmp_path: Path, options: list[str]
) -> None:
    tmp_path.joinpath("docker").write_text("#!/bin/sh\nexit 1\n")  # as where no daemon runs
    tmp_path.joinpath("docker").chmod(0o755)
    without = {**_programs(), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([SCRIPT, *options], env=without, capture_output=True, text=True)
    assert done.returncode == 2
    assert "needs a running Docker daemon" in done.stderr


def test_without_its_programs_the_script_says_where_they_come_from(tmp_path: Path) -> None:
    without = {**os.environ, "DBT_BIN": str(tmp_path)}
    done = subprocess.run([SCRIPT], env=without, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"there is no dbt in {tmp_path}: `make test-dbt` prepares that" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["analytics.totals"], 2, "usage: wait_for_populated.sh NAME SECONDS"),
        (["analytics.totals", "soon"], 2, "usage: wait_for_populated.sh NAME SECONDS"),
        (["analytics.totals", "0"], 1, "wait_for_populated.sh: "),
    ],
)
def test_who_waits_in_vain_is_told_why(
    tmp_path: Path, arguments: list[str], status: int, told: str
) -> None:
    nobody = {**_programs(), "PGHOST": str(tmp_path), "PGPORT": "5432"}
    done = subprocess.run([WAIT, *arguments], env=nobody, capture_output=True, text=True)
    assert done.returncode == status
    assert done.stderr.startswith(told)
    assert "Traceback" not in done.stderr
