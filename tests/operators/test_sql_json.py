"""The aggregates of SQL/JSON, of PostgreSQL 16 and later: the families of sql_json.sql."""

from __future__ import annotations

import pytest
from tests.operators.playing import LENGTHS, families, keep_exact

from pgtrickle.engine import Engine

FAMILIES = families("sql_json.sql")


@pytest.mark.parametrize("cycles", LENGTHS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_differential_and_exact(family: str, cycles: int, engine: Engine) -> None:
    if engine.connection.info.server_version < 160000:
        pytest.skip("json_arrayagg came with PostgreSQL 16")
    keep_exact(engine, FAMILIES[family], family, cycles)
