"""Whatever the tables, the queries and the changes: after every refresh a stream table equals its
query, and got there by its delta.

A failure prints the smallest case found that shows it, as SQL to paste. `make soak` goes on with
ever new cases, each of its tests for PGTRICKLE_SOAK_SECONDS (1800), from PGTRICKLE_SOAK_SEED.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from random import Random, SystemRandom

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from tests.equality.case import Case, Databases, Wrong, check, minimised
from tests.equality.cases import case, cases
from tests.equality.choosing import Chooser
from tests.equality.further_queries import FurtherQueryMaker
from tests.equality.queries import QueryMaker

import pgtrickle

CASES = settings(
    deadline=None,
    database=None,
    phases=[Phase.generate],  # `minimised` knows better than hypothesis what to leave out
    suppress_health_check=list(HealthCheck),
)


def check_or_explain(case: Case, databases: Databases) -> Counter[str]:
    try:
        return check(case, databases)
    except Wrong as wrong:
        smallest = minimised(case, wrong, databases)
        try:
            check(smallest, databases)
        except Wrong as again:
            wrong = again
        pytest.fail(f"{wrong.kind}: {wrong}\n\n{smallest}", pytrace=False)


def test_stream_tables_equal_their_queries(databases: Databases) -> None:
    actions: Counter[str] = Counter()

    @settings(CASES, max_examples=15, derandomize=True)
    @given(cases())
    def play(case: Case) -> None:
        actions.update(check_or_explain(case, databases))

    play()
    print(dict(actions))
    # Refreshes had something to do, and did it by the delta.
    assert actions["DIFFERENTIAL"] > actions["NO_DATA"] / 2
    assert actions["rows changed"] > actions["DIFFERENTIAL"] / 4
    assert actions["DIFFERENTIAL"] > 10 * actions["FULL"] + 10 * actions["REINITIALIZE"]


@pytest.mark.every_server
@pytest.mark.in_every_way
def test_on_every_server(databases: Databases) -> None:
    @settings(CASES, max_examples=3, derandomize=True)
    @given(cases())
    def play(case: Case) -> None:
        check_or_explain(case, databases)

    play()


def test_all_operators(databases: Databases) -> None:
    @settings(CASES, max_examples=6, derandomize=True)
    @given(cases(FurtherQueryMaker))
    def play(case: Case) -> None:
        check_or_explain(case, databases)

    play()


SMALL_CASES, PARTS = 276, 6
"""Of one stream table and a few cycles each; with the larger ones above they are 300."""


@contextlib.contextmanager
def emptied(dsn: str) -> Iterator[str]:
    """The database without what the case before left in it."""
    yield dsn
    with pgtrickle.connect(dsn) as engine:
        made = engine.connection.execute(
            "select format('%I.%I', pgt_schema, pgt_name) from pgtrickle.pgt_stream_tables"
            " order by pgt_id desc"
        ).fetchall()
        for (name,) in made:
            engine.drop_stream_table(name)
        engine.connection.execute("drop schema public cascade")
        engine.connection.execute("create schema public")


@pytest.mark.parametrize("part", range(PARTS))
def test_many_small_cases(part: int, databases: Databases) -> None:
    with databases() as dsn:
        for number in range(part, SMALL_CASES, PARTS):
            dice = Random(number)
            maker = dice.choice((QueryMaker, FurtherQueryMaker, FurtherQueryMaker))
            small = case(Chooser(dice.randint), maker, most_streams=1, cycles=4)
            check_or_explain(small, lambda: emptied(dsn))


@pytest.mark.soak
@pytest.mark.every_server
@pytest.mark.parametrize("maker", [QueryMaker, FurtherQueryMaker])
def test_soak(
    maker: type[QueryMaker], databases: Databases, capsys: pytest.CaptureFixture[str]
) -> None:
    until = time.monotonic() + float(os.environ.get("PGTRICKLE_SOAK_SECONDS", "1800"))
    seed = int(os.environ.get("PGTRICKLE_SOAK_SEED", SystemRandom().randrange(10**9)))
    played, actions = 0, Counter[str]()

    @settings(CASES, max_examples=10)
    @given(cases(maker))
    def play(case: Case) -> None:
        nonlocal played
        if time.monotonic() < until:
            actions.update(check_or_explain(case, databases))
            played += 1

    while time.monotonic() < until:
        with capsys.disabled():
            print(f"\nPGTRICKLE_SOAK_SEED={seed}: {played} cases so far, {dict(actions)}")
        seeded(seed)(play)()
        seed += 1
    with capsys.disabled():
        print(f"\n{played} cases without a difference: {dict(actions)}")
