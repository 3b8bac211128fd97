"""What dbt's own suite for adapters needs: its fixtures, and a database per class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from dbt.tests.fixtures.project import *  # noqa: F403
from psycopg.conninfo import conninfo_to_dict


@pytest.fixture(scope="class")
def dbt_profile_target(
    fresh_database: Callable[..., AbstractContextManager[str]],
) -> Iterator[dict[str, Any]]:
    with fresh_database() as dsn:
        server = conninfo_to_dict(dsn)
        yield {
            "type": "pgtrickle",
            "host": server["host"],
            "port": int(server["port"]),
            "user": server["user"],
            "password": server.get("password", "unused"),
            "dbname": server["dbname"],
            "threads": 4,
        }
