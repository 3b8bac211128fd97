"""TPC-H: 22 of 22 queries follow changes of all tables, by their deltas alone, exactly."""

from __future__ import annotations

import psycopg
import pytest
from tests.corpora.changes import Changes
from tests.corpora.maintained import Corpus
from tests.corpora.tpch.data import QUERIES, load


def play(
    connection: psycopg.Connection, *, scale: float, cycles: int, rows: int, seed: int
) -> None:
    load(connection, scale)
    corpus = Corpus(connection, QUERIES)
    corpus.create()
    changes = Changes(connection, seed)
    for number in range(cycles):
        corpus.cycle(changes, rows, number)
    corpus.check_history()
    assert not corpus.findings, "\n".join(corpus.findings)


def test_there_are_all_22() -> None:
    assert list(QUERIES) == [f"q{number}" for number in range(1, 23)]


def test_every_query_is_exact(installed: psycopg.Connection) -> None:
    play(installed, scale=0.002, cycles=3, rows=5, seed=1)


@pytest.mark.slow
def test_every_query_is_exact_after_ten_large_cycles(installed: psycopg.Connection) -> None:
    play(installed, scale=0.01, cycles=10, rows=40, seed=2)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_every_query_stays_exact(installed: psycopg.Connection, seed: int) -> None:
    play(installed, scale=0.005, cycles=60, rows=1 + seed, seed=seed)
