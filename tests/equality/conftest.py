"""Databases with the runtime installed, copied from one that is prepared once per server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.conftest import FreshDatabase
from tests.equality.case import Databases


@pytest.fixture
def databases(
    fresh_database: FreshDatabase, installed_template: Callable[[str], str], server_version: str
) -> Databases:
    """Gives new databases with the runtime, on this test's server."""
    return lambda: fresh_database(server_version, template=installed_template(server_version))
