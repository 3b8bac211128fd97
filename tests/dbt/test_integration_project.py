"""The integration project, run by its own script against the tests' server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.dbt.project import REPOSITORY


@pytest.mark.slow
@pytest.mark.parametrize("target", ["package", "adapter"])
def test_the_integration_project_passes(database: str, target: str) -> None:
    server = conninfo_to_dict(database)
    done = subprocess.run(
        [REPOSITORY / "integration_tests" / "scripts" / "run_dbt_tests.sh"],
        env={
            **os.environ,
            "DBT_BIN": str(Path(sys.executable).parent),
            "DBT_TARGETS": target,
            "PGHOST": server["host"],
            "PGPORT": server["port"],
            "PGUSER": server["user"],
            "PGPASSWORD": server.get("password", "unused"),
            "PGDATABASE": server["dbname"],
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
