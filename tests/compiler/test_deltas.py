"""For which sets of changed sources a plan has a delta."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pgtrickle.engine import Engine


@pytest.mark.parametrize(("sources", "several"), [(1, set()), (2, {"*"}), (4, {"*"})])
def test_each_source_has_one_and_all_together(
    sources: int, several: set[str], engine: Engine
) -> None:
    for i in range(sources):
        engine.connection.execute(f"create table t{i} (id integer primary key, k integer)")
    tables = [f"t{i}" for i in range(sources)]
    joined = " ".join(f"join {b} on {b}.id = {a}.k" for a, b in pairwise(tables))
    found = set(engine.compile(f"select t0.id from t0 {joined}").deltas)
    assert found == {str(i) for i in range(sources)} | several
