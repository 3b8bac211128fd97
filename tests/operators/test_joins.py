"""Joins that become others, or are put into another order: the families of joins.sql."""

from __future__ import annotations

import pytest
from tests.operators.playing import LENGTHS, families, keep_exact

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

FAMILIES = families("joins.sql")


@pytest.mark.parametrize("cycles", LENGTHS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_differential_and_exact(family: str, cycles: int, engine: Engine) -> None:
    keep_exact(engine, FAMILIES[family], family, cycles)
