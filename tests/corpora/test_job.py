"""Joins of up to sixteen tables, of the shapes of the Join Order Benchmark, stay exact."""

from __future__ import annotations

import psycopg
import pytest
from tests.corpora.changes import Changes
from tests.corpora.job.data import FIXED, QUERIES, load
from tests.corpora.maintained import Corpus

from pgtrickle.engine import Engine

# From five tables to sixteen: what is played in every run.
SHAPES = ("q1", "q6", "q11", "q20", "q29", "q32")
STILL = frozenset(FIXED)


def play(
    connection: psycopg.Connection,
    names: tuple[str, ...],
    *,
    titles: int,
    cycles: int,
    rows: int,
    seed: int,
) -> None:
    load(connection, titles, seed)
    corpus = Corpus(connection, {name: QUERIES[name] for name in names})
    corpus.create()
    changes = Changes(connection, seed, STILL)
    for number in range(cycles):
        corpus.cycle(changes, rows, number)
    corpus.check_history()
    assert not corpus.findings, "\n".join(corpus.findings)


def test_all_33_are_differential(installed: psycopg.Connection) -> None:
    load(installed)
    assert len(QUERIES) == 33
    plans = {name: Engine(installed).compile(query) for name, query in QUERIES.items()}
    recomputed = {name: plan.reason for name, plan in plans.items() if plan.mode != "DIFFERENTIAL"}
    assert not recomputed


def test_no_query_is_tested_on_nothing(installed: psycopg.Connection) -> None:
    load(installed)
    found = {name: installed.execute(query).fetchone() for name, query in QUERIES.items()}
    assert not [name for name, row in found.items() if row is None or row[0] is None]


@pytest.mark.slow
def test_every_shape_is_exact(installed: psycopg.Connection) -> None:
    play(installed, SHAPES, titles=60, cycles=2, rows=3, seed=1)


@pytest.mark.slow
def test_every_query_is_exact(installed: psycopg.Connection) -> None:
    play(installed, tuple(QUERIES), titles=60, cycles=3, rows=3, seed=2)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_every_query_stays_exact(installed: psycopg.Connection, seed: int) -> None:
    play(installed, tuple(QUERIES), titles=200, cycles=20, rows=2 + seed, seed=seed)
