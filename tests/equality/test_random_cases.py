"""Whatever the tables, the queries and the changes: after every refresh a stream table equals its
query, and got there by its delta.

A failure prints the smallest case found that shows it, as SQL to paste. `make soak` goes on with
ever new cases, each of its tests for PGTRICKLE_SOAK_SECONDS (1800), from PGTRICKLE_SOAK_SEED.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from random import Random, SystemRandom

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from tests.equality.case import Case, Databases, Wrong, check, minimised, opened, play
from tests.equality.cases import altered, case, cases, redefined
from tests.equality.choosing import Chooser
from tests.equality.further_queries import FurtherQueryMaker
from tests.equality.queries import QueryMaker

from pgtrickle.engine import Engine

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

    @settings(CASES, max_examples=12, derandomize=True)
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


SMALL_CASES, PARTS = 279, 6
"""Of one stream table and a few cycles each; with the larger ones above they are 300. Three of
the parts run in `make test`."""
IN_ONE_SESSION = 10
"""What a session has planned once serves the next case, and is gone over at each change of a
catalog: with the plans of forty cases that is a third of what the server does."""


LEFT = """
    select format('drop %s if exists %s cascade', k.kind, c.oid::regclass)
    from pg_class c
    join (values ('r', 'table'), ('p', 'table'), ('v', 'view'), ('m', 'materialized view'),
        ('S', 'sequence')) k (relkind, kind) on k.relkind::"char" = c.relkind
    where c.relnamespace = 'public'::regnamespace
    union all
    select format('drop routine if exists %s cascade', p.oid::regprocedure)
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace
    union all
    select format('drop type if exists %s cascade', t.oid::regtype)
    from pg_type t
    where t.typnamespace = 'public'::regnamespace and t.typtype in ('d', 'e')
"""
"""The statements that empty the schema public."""


def empty(sessions: list[psycopg.Connection]) -> None:
    """Leave nothing of a case; the sessions stay, which makes the next one a fifth shorter."""
    for session in sessions:
        session.execute("reset all")
    engine = Engine(sessions[0])
    made = sessions[0].execute(
        "select format('%I.%I', pgt_schema, pgt_name) from pgtrickle.pgt_stream_tables"
        " order by pgt_id desc"
    )
    for (name,) in made.fetchall():
        engine.drop_stream_table(name)
    # (Not by its schema: whatever a session has planned would be planned again.)
    left = sessions[0].execute(LEFT)
    for (statement,) in left.fetchall():
        sessions[0].execute(statement)


@pytest.mark.parametrize(
    "part", [*range(3), *(pytest.param(part, marks=pytest.mark.slow) for part in range(3, PARTS))]
)
def test_many_small_cases(part: int, databases: Databases) -> None:
    numbers = range(part, SMALL_CASES, PARTS)
    with databases() as dsn:
        for first in range(0, len(numbers), IN_ONE_SESSION):
            with opened(dsn) as sessions:
                for number in numbers[first : first + IN_ONE_SESSION]:
                    play_small(number, sessions, databases)
                    empty(sessions)


def play_small(number: int, sessions: list[psycopg.Connection], databases: Databases) -> None:
    dice = Random(number)
    maker = dice.choice((QueryMaker, FurtherQueryMaker, FurtherQueryMaker))
    small = case(Chooser(dice.randint), maker, most_streams=1, cycles=4)
    try:
        play(small, sessions)
    except Wrong:
        check_or_explain(small, databases)
        raise  # it shows after the cases before it alone


ALTERED_CASES = 5


@pytest.mark.parametrize(
    "part", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
)
def test_one_query_after_the_other(part: int, databases: Databases) -> None:
    for number in range(part * ALTERED_CASES, (part + 1) * ALTERED_CASES):
        dice = Random(number)
        maker = dice.choice((QueryMaker, FurtherQueryMaker))
        check_or_explain(altered(Chooser(dice.randint), maker), databases)


REDEFINED_CASES = 3


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, 10))]
)
def test_sources_get_other_definitions(part: int, databases: Databases) -> None:
    for number in range(part * REDEFINED_CASES, (part + 1) * REDEFINED_CASES):
        dice = Random(number)
        maker = dice.choice((QueryMaker, FurtherQueryMaker))
        check_or_explain(redefined(Chooser(dice.randint), maker), databases)


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
