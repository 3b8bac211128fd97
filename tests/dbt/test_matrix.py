"""The integration project on each version of dbt: 1.11 is what the other tests run on.

The newest dbt may need what the registries at hand do not have: that is said, and the others run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.dbt import versions
from tests.dbt.project import REPOSITORY
from tests.dbt.test_integration_project import run_integration_project

from pgtrickle.database import PsycopgSession
from pgtrickle.install import install

pytestmark = pytest.mark.slow

INTEGRATION = REPOSITORY / "integration_tests"
NEWEST = "1.12"


@pytest.mark.parametrize("target", ["package", "adapter", "both"])
@pytest.mark.parametrize("version", ["1.9", "1.10", "1.12"])
def test_the_integration_project_passes_on_other_versions_of_dbt(
    database: str, version: str, target: str
) -> None:
    try:
        programs = versions.dbt_1(version)
    except versions.InstallationError as error:
        if version != NEWEST:
            raise
        pytest.skip(str(error))
    run_integration_project(database, target, programs)


@pytest.mark.parametrize("recipe", ["test-dbt", "test-dbt-fast"])
def test_just_runs_the_script_with_its_options(recipe: str) -> None:
    just = [versions.UV, "tool", "run", "--quiet", "--from", "rust-just", "just"]
    done = subprocess.run(
        [*just, recipe, "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "--keep-container" in done.stdout


class Dbt2:
    """The integration project on dbt 2: the package, for adapters in Python do not load there."""

    def __init__(self, directory: Path, port: int, dsn: str) -> None:
        self.directory = directory
        self.dsn = dsn
        shutil.copytree(
            INTEGRATION,
            directory,
            ignore=shutil.ignore_patterns("target", "dbt_packages", "logs", "docker"),
        )
        (directory / "packages.yml").write_text(f'packages:\n  - local: "{REPOSITORY}"\n')
        self.environment = {
            **os.environ,
            "DBT_ALLOW_EXPERIMENTAL_ADAPTERS": "true",
            "XDG_CACHE_HOME": str(directory / "cache"),
            "DBT_TARGET": "package",
            "DBT_SCHEMA": "integration",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": "postgres",
            "PGPASSWORD": "unused",
            "PGDATABASE": str(conninfo_to_dict(dsn)["dbname"]),
        }

    def dbt(self, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            [versions.dbt_2(), *arguments, "--profiles-dir", self.directory],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stdout
        return done.stdout

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(statement).fetchall()  # type: ignore[arg-type]


@pytest.fixture
def dbt2(tmp_path: Path, database: str) -> Iterator[Dbt2]:
    with psycopg.connect(database) as connection:
        install(PsycopgSession(connection))
    server = conninfo_to_dict(database)
    socket = Path(str(server["host"])) / f".s.PGSQL.{server['port']}"
    with versions.tcp_port(socket) as port:
        project = Dbt2(tmp_path / "project", port, database)
        project.dbt("deps")
        yield project


def test_dbt_2_parses_the_project(dbt2: Dbt2) -> None:
    listed = dbt2.dbt("list", "--output", "json")
    names = {json.loads(line)["name"] for line in listed.splitlines() if line.startswith("{")}
    assert {"customer_totals", "large_orders", "orders_by_day"} <= names
    assert any(name.startswith("dbt_pgtrickle_stream_table_healthy") for name in names)


@pytest.mark.skipif(not versions.CAN_RUN_DBT_2, reason="no driver of dbt 2 for this platform")
def test_dbt_2_runs_the_project(dbt2: Dbt2) -> None:
    versions.provide_driver(dbt2.directory / "cache")
    dbt2.dbt("seed")
    # A view with a subquery that has no name, as dbt 2 writes it, is for PostgreSQL 16 and later.
    dbt2.dbt("run", "--empty")
    assert {
        populated
        for (populated,) in dbt2.sql("select is_populated from pgtrickle.pgt_stream_tables")
    } == {False}
    # Unit tests end in "not yet implemented: PostgreSQL's list_relations_schemas" there.
    without_unit_tests = ("--exclude", "test_type:unit")
    dbt2.dbt("build", *without_unit_tests)
    dbt2.dbt("run-operation", "change_orders")
    dbt2.dbt("run")
    dbt2.dbt("test", *without_unit_tests)
    dbt2.dbt("run", "--vars", "{every: 7m, large: 30}")
    assert dbt2.sql(
        "select schedule from pgtrickle.pgt_stream_tables where pgt_name = 'customer_totals'"
    ) == [("7m",)]
    assert dbt2.sql('select min(amount) >= 30 from integration."Large Orders"') == [(True,)]
    dbt2.dbt("run", "--full-refresh")
    dbt2.dbt("build", *without_unit_tests)
    for operation in ("refresh_all_stream_tables", "pgtrickle_status", "pgtrickle_check_freshness"):
        assert '"Large Orders"' in dbt2.dbt("run-operation", operation)
    unknown = ("run-operation", "pgtrickle_refresh", "--args", "{model_name: nobody}")
    assert "There is no stream table" in dbt2.dbt(*unknown, fails=True)
    dbt2.dbt("run-operation", "drop_all_stream_tables")
    assert dbt2.sql("select count(*) from pgtrickle.pgt_stream_tables") == [(0,)]
