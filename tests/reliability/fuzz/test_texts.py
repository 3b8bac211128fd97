"""Texts of any kind through the parser and back, without a server."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reliability.fuzz.test_parser import mutated, queries
from tests.reliability.fuzz.texts import check

from pgtrickle.errors import PgTrickleError
from pgtrickle.query.parse import parse


def test_texts_made_of_queries() -> None:
    random, known = Random(1), queries()
    read = sum(check(mutated(random, known)) for _ in range(3000))
    assert 300 < read < 2700


@settings(max_examples=500, deadline=None, database=None, derandomize=True)
@given(st.text(st.characters()) | st.binary().map(lambda data: data.decode("utf-8", "replace")))
def test_texts_of_any_characters(text: str) -> None:
    check(text)
    check(f"select '{text}' as \"{text}\"")


@pytest.mark.parametrize(
    "text",
    [
        "select " + "1+" * 200_000 + "1",
        "select 1" + "::a" * 200_000,
        "select " + "(" * 200_000 + "1" + ")" * 200_000,
        "select " + "not " * 200_000 + "true",
        "select 1 " + "union select 1 " * 50_000,
        "select " + "case when " * 100_000,
    ],
    ids=lambda text: text[:20],
)
def test_depth_ends_no_process(text: str) -> None:
    """libpg_query would overflow its stack."""
    with pytest.raises(PgTrickleError):
        parse(text)


def test_a_long_list_is_not_deep() -> None:
    assert check("select a from t where a in (" + "1, " * 100_000 + "1)")


@pytest.mark.parametrize(
    ("text", "code"), [("select 1\0", "42601"), ("\0", "42601"), ("select '\udcff'", "22021")]
)
def test_what_is_no_text_is_refused(text: str, code: str) -> None:
    with pytest.raises(PgTrickleError) as refused:
        parse(text)
    assert refused.value.sqlstate == code
