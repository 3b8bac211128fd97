"""What dbt's own suite for adapters needs: its fixtures, a database per class, three users."""

from __future__ import annotations

import contextlib
import inspect
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt.adapters.factory import reset_adapters
from dbt.tests.fixtures.project import *  # noqa: F403
from psycopg.conninfo import conninfo_to_dict

_USERS = ("DBT_TEST_USER_1", "DBT_TEST_USER_2", "DBT_TEST_USER_3")


def profile_target(dsn: str) -> dict[str, Any]:
    """An output of profiles.yml for a database."""
    server = conninfo_to_dict(dsn)
    return {
        "type": "pgtrickle",
        "host": server["host"],
        "port": int(server["port"]),
        "user": server["user"],
        "password": server.get("password", "unused"),
        "dbname": server["dbname"],
        "threads": 4,
    }


@pytest.fixture(scope="class")
def dbt_profile_target(
    fresh_database: Callable[..., AbstractContextManager[str]],
) -> Iterator[dict[str, Any]]:
    # Some classes compare SQL after taking the digits out, and expect the database `dbt`.
    with fresh_database(name=f"dbt{uuid.uuid4().int}"[:40]) as dsn:
        yield profile_target(dsn)


@pytest.fixture(scope="class", autouse=True)
def no_adapter_of_another_test() -> None:
    """Forget the adapter of what ran before, which the suite would take for its own."""
    reset_adapters()


@pytest.fixture(scope="class")
def unique_schema(request: pytest.FixtureRequest, prefix: str) -> str:
    """Named as in the suite itself: after the module that has the class."""
    return f"{prefix}_{_class_of_the_suite(request).__module__.split('.')[-1]}"


@pytest.fixture(scope="session", autouse=True)
def test_users(server_of_version: Callable[[str], str]) -> Iterator[None]:
    """Roles to grant to, under the names the suite looks for."""
    with pytest.MonkeyPatch.context() as patch:
        with psycopg.connect(server_of_version("18"), autocommit=True) as connection:
            for user in _USERS:
                patch.setenv(user, user.lower())
                with contextlib.suppress(psycopg.errors.DuplicateObject):
                    connection.execute(f"create role {user}")  # type: ignore[arg-type]
        yield


@pytest.fixture(scope="class")
def test_data_dir(request: pytest.FixtureRequest) -> Path:
    """The data that a class of the suite brings along, beside its module."""
    return Path(inspect.getfile(_class_of_the_suite(request))).parent / "data"


def _class_of_the_suite(request: pytest.FixtureRequest) -> type:
    return next(
        base for base in request.cls.__mro__ if base.__module__.startswith("dbt.tests.adapter.")
    )
