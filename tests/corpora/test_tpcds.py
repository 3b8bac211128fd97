"""TPC-DS: all 99 queries are maintained by deltas, and follow changes exactly."""

from __future__ import annotations

import psycopg
import pytest
from tests.corpora.changes import Changes
from tests.corpora.maintained import Corpus
from tests.corpora.tpcds.data import QUERIES, STILL, load

from pgtrickle.engine import Engine

# One query for each shape: what is played in every run.
SHAPES = ("q1", "q10", "q16", "q28", "q36", "q41", "q44", "q51", "q74", "q87", "q97")


def play(
    connection: psycopg.Connection, names: tuple[str, ...], *, cycles: int, rows: int, seed: int
) -> None:
    load(connection, seed)
    corpus = Corpus(connection, {name: QUERIES[name] for name in names})
    corpus.create()
    changes = Changes(connection, seed, STILL)
    for number in range(cycles):
        corpus.cycle(changes, rows, number)
    corpus.check_history()
    assert not corpus.findings, "\n".join(corpus.findings)


def test_all_99_are_differential(installed: psycopg.Connection) -> None:
    load(installed)
    engine = Engine(installed)
    assert len(QUERIES) == 99
    plans = {name: engine.compile(query) for name, query in QUERIES.items()}
    recomputed = {name: plan.reason for name, plan in plans.items() if plan.mode != "DIFFERENTIAL"}
    assert not recomputed


def test_no_query_is_tested_on_nothing(installed: psycopg.Connection) -> None:
    load(installed)
    empty = [name for name, query in QUERIES.items() if not installed.execute(query).fetchmany(1)]
    assert not empty


@pytest.mark.slow
def test_every_shape_is_exact(installed: psycopg.Connection) -> None:
    play(installed, SHAPES, cycles=2, rows=3, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_every_query_is_exact(installed: psycopg.Connection, part: int) -> None:
    play(installed, tuple(QUERIES)[part::4], cycles=3, rows=3, seed=2 + part)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_every_query_stays_exact(installed: psycopg.Connection, seed: int) -> None:
    play(installed, tuple(QUERIES), cycles=20, rows=1 + seed, seed=seed)
