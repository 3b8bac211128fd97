"""Random texts through the whole front end: canonical form, parser, compiler.

They are made from queries of the corpus by cutting, doubling and exchanging pieces, so that many
are still queries. Whatever comes, the answer is a plan or an error with an explanation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random

import psycopg
import pytest

import pgtrickle
from pgtrickle.engine import Engine
from pgtrickle.errors import PgTrickleError

CORPUS = Path(__file__).parents[2] / "query" / "corpus"
EXPLAINED = ("0A", "22", "42", "54", "2B", "3F", "55")


@pytest.fixture(scope="module")
def world(fresh_database: Callable[..., AbstractContextManager[str]]) -> Iterator[Engine]:
    with fresh_database() as dsn, pgtrickle.connect(dsn) as engine:
        engine.install()
        engine.connection.execute((CORPUS / "features.schema.sql").read_text())  # type: ignore[arg-type]
        engine.connection.execute("set statement_timeout = '60s'")
        yield engine


def queries() -> list[str]:
    text = (CORPUS / "features.sql").read_text()
    without_comments = re.sub(r"^--.*\n", "", text, flags=re.MULTILINE)
    return [query.strip() for query in without_comments.split("\n\n") if query.strip()]


def pieces(query: str) -> list[str]:
    return re.findall(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\w+|\s+|.", query, re.DOTALL)


def mutated(random: Random, known: list[str]) -> str:
    """One query, with a few of its pieces cut out, doubled, or exchanged for another one's."""
    words = pieces(random.choice(known))
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        at = random.randrange(len(words))
        length = random.choice((1, 1, 2, 5))
        other = pieces(random.choice(known))
        match random.randrange(5):
            case 0:
                del words[at : at + length]
            case 1:
                words[at:at] = words[at : at + length]
            case 2:
                start = random.randrange(len(other))
                words[at : at + length] = other[start : start + length]
            case 3:
                words[at] = random.choice(("null", "1e400", "''", "\u00e4", "(", "case", "*", ";"))
            case _:
                words[at : at + 1] = ["(", words[at], ")"]
        if not words:
            return ""
    return "".join(words)


def is_explained(error: Exception) -> bool:
    if isinstance(error, psycopg.Error):
        return (error.sqlstate or "")[:2] in EXPLAINED
    return isinstance(error, PgTrickleError) and bool(str(error))


def play(engine: Engine, number: int, seed: int) -> tuple[int, int]:
    """How many texts became plans, and how many were refused."""
    random = Random(seed)
    known = queries()
    assert len(known) > 100
    compiled = refused = 0
    for _ in range(number):
        text = mutated(random, known)
        try:
            plan = engine.compile(text)
        except Exception as error:
            if not is_explained(error):
                raise AssertionError(f"seed {seed}, {type(error).__name__}:\n{text}") from error
            refused += 1
        else:
            compiled += 1
            assert plan.mode == "DIFFERENTIAL" or plan.reason, text
    return compiled, refused


def test_random_texts(world: Engine) -> None:
    compiled, refused = play(world, 150, seed=1)
    assert compiled > 10
    assert refused > 10


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 7))
def test_many_random_texts(world: Engine, seed: int) -> None:
    print(play(world, 4000, seed))
