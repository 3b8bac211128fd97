"""`Engine.verify` says which rows a table lacks, has too many, or has with other values."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine
from pgtrickle.verification import Difference

pytestmark = pytest.mark.every_server

CHANGES = (
    "insert into orders values (100, 7, 1.50)",
    "delete from orders where id = 1",
    "update orders set amount = 2.00 where id = 2",
)


def differing(engine: Engine, query: str, *changes: str) -> None:
    """A stream table that no refresh has brought up to date."""
    engine.connection.execute('create schema "My Schema"')
    engine.create_stream_table('"My Schema"."T%"', query)
    for change in changes:
        engine.connection.execute(change)


def test_rows_are_paired_by_their_key(engine: Engine) -> None:
    differing(engine, "select id, amount from orders", *CHANGES)
    verdict = engine.verify('"My Schema"."T%"')
    assert not verdict.equal
    assert (verdict.missing, verdict.extra, verdict.different) == (1, 1, 1)
    assert set(map(repr, verdict.differences)) == set(
        map(
            repr,
            [
                Difference("missing", {"id": "100", "amount": "1.50"}, None),
                Difference("extra", None, {"id": "1", "amount": "1"}),
                Difference("different", {"id": "2", "amount": "2.00"}, {"id": "2", "amount": "2"}),
            ],
        )
    )


def test_without_a_key_copies_are_counted(engine: Engine) -> None:
    differing(
        engine,
        'select region as "a ""b", null as n from customers',
        "insert into customers select i, 'new' from generate_series(20, 22) i",
        "delete from customers where region = 'r1'",
    )
    verdict = engine.verify('"My Schema"."T%"', examples=1)
    assert (verdict.missing, verdict.extra, verdict.different) == (3, 3, 0)
    assert verdict.differences == (Difference("missing", {'a "b': "new", "n": None}, None, 3),)


def test_a_refresh_makes_them_equal(engine: Engine) -> None:
    differing(engine, "select id, amount from orders", *CHANGES)
    engine.refresh('"My Schema"."T%"')
    verdict = engine.verify('"My Schema"."T%"')
    assert verdict.equal
    assert verdict.differences == ()
