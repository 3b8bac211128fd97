"""For which sets of changed sources a plan has a delta."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pgtrickle.engine import Engine


def names_of(engine: Engine, sources: int) -> set[str]:
    for i in range(sources):
        engine.connection.execute(f"create table t{i} (id integer primary key, k integer)")
    tables = [f"t{i}" for i in range(sources)]
    joined = " ".join(f"join {b} on {b}.id = {a}.k" for a, b in pairwise(tables))
    return set(engine.compile(f"select t0.id from t0 {joined}").deltas)


@pytest.mark.parametrize(
    ("sources", "several"),
    [(1, set()), (2, {"*"}), (3, {"*", "0,1", "0,2", "1,2"}), (9, {"*"})],
)
def test_any_two_of_a_few_sources_have_one(sources: int, several: set[str], engine: Engine) -> None:
    assert names_of(engine, sources) == {str(i) for i in range(sources)} | several
