"""The three ways to have stream tables in dbt, each on a database of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dbt.cli
import psycopg
import pytest
from dbt_common.behavior_flags import BehaviorFlagRendered
from dbt_common.tests import disable_test_caching, enable_test_caching
from psycopg.conninfo import conninfo_to_dict
from tests.conftest import VERSION, FreshDatabase
from tests.dbt.project import REPOSITORY, Project

from dbt.adapters.pgtrickle.connections import EMBEDDED
from pgtrickle.database import PsycopgSession
from pgtrickle.install import install

# The embedded server is a server like any other once it runs: the whole suite on it is for
# `make test-all`, while test_setups.py starts one in every run.
SETUPS = ["package", "adapter", pytest.param("embedded", marks=pytest.mark.slow)]

SHOP = """
create schema analytics;
create table analytics.customers (customer_id int primary key, name text not null);
create table analytics.orders
    (order_id int primary key, customer_id int not null, amount numeric(10, 2));
insert into analytics.customers values (1, 'Ada'), (2, 'Grace'), (3, 'Edsger');
insert into analytics.orders select n, 1 + n % 3, n * 1.5 from generate_series(1, 30) n;
"""


def output(setup: str, dsn: str) -> dict[str, Any]:
    """The profile's output for a set-up: `embedded` names the directory of the tests' server."""
    server = conninfo_to_dict(dsn)
    common = {"dbname": server["dbname"], "schema": "analytics", "threads": 2}
    if setup == "embedded":
        directory = Path(os.environ["PGTRICKLE_TEST_DIRECTORY"], f"postgres-{VERSION}")
        return {"type": "pgtrickle", "embedded": str(directory), **common}
    return {
        "type": {"package": "postgres", "adapter": "pgtrickle"}[setup],
        "host": server["host"],
        "port": int(server["port"]),
        "user": server["user"],
        "password": server.get("password", "unused"),
        **common,
    }


@pytest.fixture(scope="session", autouse=True)
def quick_flags() -> Iterator[None]:
    """Spare dbt the look at the whole stack, for the name of its caller, at each of its flags.

    Under pytest, where stacks are deep, that is half of the time of a run.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BehaviorFlagRendered, "_default_source", lambda _: "tests")
        yield


@pytest.fixture(scope="session", autouse=True)
def parsed_texts() -> Iterator[None]:
    """Have dbt keep what it made of a text, and where it found plugins, as in its own tests."""
    enable_test_caching()
    yield
    disable_test_caching()


@pytest.fixture(scope="session", autouse=True)
def embedded_servers() -> Iterator[None]:
    """Give the embedded servers back before their directories are removed."""
    yield
    EMBEDDED.release()


@pytest.fixture(params=SETUPS)
def setup(request: pytest.FixtureRequest) -> str:
    """How dbt comes by stream tables: the package on dbt-postgres, the adapter, or embedded."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def database_name() -> str:
    """One name for every test's database, so that what dbt parsed once serves them all."""
    return "dbt_" + os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture
def database(fresh_database: FreshDatabase, database_name: str) -> Iterator[str]:
    with fresh_database(name=database_name) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def shop(fresh_database: FreshDatabase, database_name: str) -> Iterator[str]:
    """The name of a database with the engine and two tables, for others to be copied from."""
    with fresh_database(name=f"{database_name}_shop") as dsn:
        with psycopg.connect(dsn) as connection:
            install(PsycopgSession(connection))
            connection.execute(SHOP)
        yield f"{database_name}_shop"


@pytest.fixture(scope="session")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Project], Path]:
    """A function that gives what dbt knows of a project like this one after parsing all macros.

    Parsing them is most of what a first run takes: here it happens once a set-up.
    """
    known: dict[tuple[str, bool], Path] = {}

    def parse(like: Project) -> Path:
        key = (str(like.output), like.has_package)
        if key not in known:
            directory = tmp_path_factory.mktemp("parsed")
            empty = Project(directory, like.output, like.dsn, package=like.has_package)
            empty.dbt("parse")
            known[key] = empty.parsed
        return known[key]

    return parse


@pytest.fixture
def make_project(
    tmp_path: Path, database: str, parsed: Callable[[Project], Path]
) -> Callable[..., Project]:
    """A function that makes a project on an empty database; a package's has the engine."""

    def make(setup: str, *, package: bool | None = None, **changes: Any) -> Project:
        if setup == "package":
            with psycopg.connect(database) as connection:
                install(PsycopgSession(connection))
        has_package = setup == "package" if package is None else package
        made = Project(
            tmp_path / "shop", {**output(setup, database), **changes}, database, package=has_package
        )
        return made.begin_with(parsed(made))

    return make


@pytest.fixture
def project(
    setup: str,
    tmp_path: Path,
    shop: str,
    fresh_database: FreshDatabase,
    database_name: str,
    parsed: Callable[[Project], Path],
) -> Iterator[Project]:
    """A project with two sources, `orders` and `customers`, and no models yet."""
    with fresh_database(template=shop, name=database_name) as dsn:
        made = Project(tmp_path / "shop", output(setup, dsn), dsn, package=setup == "package")
        made.write(
            "models/sources.yml",
            "sources:\n  - name: shop\n    schema: analytics\n    tables:\n"
            "      - name: orders\n      - name: customers\n",
        )
        yield made.begin_with(parsed(made))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of Python packages: dbt, and what the wheel brings.

    dbt looks for adapters beside its own, where an editable installation is not: so the wheel is
    built and unpacked over a copy of dbt.
    """
    directory = tmp_path_factory.mktemp("installed")
    there = Path(dbt.cli.__file__).parents[1]
    shutil.copytree(there, directory / "dbt")
    built = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", built],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(directory)
    return directory
