"""The classes of dbt's suite that run on this adapter unchanged; suite.py lists them."""

from __future__ import annotations

import pytest
from tests.dbt.conformance.suite import QUICK, as_they_are

for base in as_they_are():
    name = f"Test{base.__name__.removeprefix('Base')}"
    marks = [] if base.__name__ in QUICK else [pytest.mark.slow]
    assert name not in globals(), name
    globals()[name] = type(name, (base,), {"__module__": __name__, "pytestmark": marks})
del base
