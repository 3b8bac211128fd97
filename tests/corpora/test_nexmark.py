"""Nexmark: every query that is a query of the data is maintained by deltas, exactly."""

from __future__ import annotations

import psycopg
import pytest
from tests.corpora.changes import Changes
from tests.corpora.maintained import Corpus
from tests.corpora.nexmark.data import QUERIES, load


def play(connection: psycopg.Connection, *, bids: int, cycles: int, rows: int, seed: int) -> None:
    load(connection, bids, seed)
    corpus = Corpus(connection, QUERIES)
    corpus.create()
    changes = Changes(connection, seed)
    for number in range(cycles):
        corpus.cycle(changes, rows, number)
    corpus.check_history()
    assert not corpus.findings, "\n".join(corpus.findings)


def test_all_but_the_one_of_processing_time_are_here() -> None:
    assert list(QUERIES) == [f"q{number}" for number in range(23) if number != 12]


def test_no_query_is_tested_on_nothing(installed: psycopg.Connection) -> None:
    load(installed)
    empty = [name for name, query in QUERIES.items() if not installed.execute(query).fetchmany(1)]
    assert not empty


def test_every_query_is_exact(installed: psycopg.Connection) -> None:
    play(installed, bids=400, cycles=3, rows=5, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_every_query_stays_exact(installed: psycopg.Connection, seed: int) -> None:
    play(installed, bids=5000, cycles=40, rows=5 + 5 * seed, seed=seed)
