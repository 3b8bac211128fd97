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
    without = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([SCRIPT, *options], env=without, capture_output=True, text=True)
    assert done.returncode == 2
    assert "needs a running Docker daemon" in done.stderr
