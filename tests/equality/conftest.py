"""Databases with the runtime installed, copied from one that is prepared once per server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.equality.case import Databases

import pgtrickle


@pytest.fixture(scope="session")
def installed_databases(
    fresh_database: Callable[..., AbstractContextManager[str]],
) -> Iterator[Callable[[str], Databases]]:
    """A function from a server's version to one that gives its installed databases."""
    templates: dict[str, str] = {}
    with contextlib.ExitStack() as kept:

        def databases(version: str) -> Databases:
            if version not in templates:
                dsn = kept.enter_context(fresh_database(version))
                with pgtrickle.connect(dsn) as engine:
                    engine.install()
                templates[version] = str(conninfo_to_dict(dsn)["dbname"])
            return lambda: fresh_database(version, template=templates[version])

        yield databases


@pytest.fixture
def databases(installed_databases: Callable[[str], Databases], server_version: str) -> Databases:
    """Gives new databases with the runtime, on this test's server."""
    return installed_databases(server_version)
