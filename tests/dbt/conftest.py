"""The three ways to have stream tables in dbt, each on a database of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.dbt.project import Project

from pgtrickle.database import PsycopgSession
from pgtrickle.install import install

# The embedded server is a server like any other once it runs: the whole suite on it is for
# `make test-all`, while test_setups.py starts one in every run.
SETUPS = ["package", "adapter", pytest.param("embedded", marks=pytest.mark.slow)]


def output(setup: str, dsn: str) -> dict[str, Any]:
    """The profile's output for a set-up: `embedded` names the directory of the tests' server."""
    server = conninfo_to_dict(dsn)
    common = {"dbname": server["dbname"], "schema": "analytics", "threads": 2}
    if setup == "embedded":
        directory = Path(os.environ["PGTRICKLE_TEST_DIRECTORY"], "postgres-18")
        return {"type": "pgtrickle", "embedded": str(directory), **common}
    return {
        "type": {"package": "postgres", "adapter": "pgtrickle"}[setup],
        "host": server["host"],
        "port": int(server["port"]),
        "user": server["user"],
        "password": server.get("password", "unused"),
        **common,
    }


@pytest.fixture(params=SETUPS)
def setup(request: pytest.FixtureRequest) -> str:
    """How dbt comes by stream tables: the package on dbt-postgres, the adapter, or embedded."""
    name: str = request.param
    return name


@pytest.fixture
def make_project(tmp_path: Path, database: str) -> Callable[..., Project]:
    def make(setup: str, *, package: bool | None = None, **changes: Any) -> Project:
        if setup == "package":
            with psycopg.connect(database) as connection:
                install(PsycopgSession(connection))
        has_package = setup == "package" if package is None else package
        return Project(
            tmp_path / "shop", {**output(setup, database), **changes}, database, package=has_package
        )

    return make


@pytest.fixture
def project(setup: str, make_project: Callable[..., Project]) -> Project:
    """A project with two sources, `orders` and `customers`, and no models yet."""
    made = make_project(setup)
    made.sql("create schema analytics")
    made.sql("create table analytics.customers (customer_id int primary key, name text not null)")
    made.sql(
        "create table analytics.orders"
        " (order_id int primary key, customer_id int not null, amount numeric(10, 2))"
    )
    made.sql("insert into analytics.customers values (1, 'Ada'), (2, 'Grace'), (3, 'Edsger')")
    made.sql(
        "insert into analytics.orders select n, 1 + n % 3, n * 1.5 from generate_series(1, 30) n"
    )
    made.write(
        "models/sources.yml",
        "sources:\n  - name: shop\n    schema: analytics\n    tables:\n"
        "      - name: orders\n      - name: customers\n",
    )
    return made
