"""Random arguments for every function of the contract, NULL in every position among them.

Whatever comes: the server lives, an error is one that says something (never an internal one, nor a
constraint of the catalog), and what failed has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.reliability.bad_input.build import build

import pgtrickle

# It runs any text as SQL: that is what it is for.
LEFT_OUT = "{write_and_refresh}"
FUNCTIONS = """
    select p.proname, p.prokind = 'p', array(
        select format_type(t, null) from unnest(p.proargtypes) with ordinality a (t, n) order by n)
    from pg_proc p
    where p.pronamespace = 'pgtrickle'::regnamespace
      and p.proname !~ '^_'
      and p.prokind = 'f'
      and p.proname <> all (%s)
    order by 1, 3
"""
NAMES = st.sampled_from(
    ["totals", "summary", "live", '"Stream ""Table"" 1.s"', "account", "entry", "rich", "frozen"]
)
WORDS = st.sampled_from(
    [
        *("auto", "FULL", "IMMEDIATE", "differential", "1m", "calculated", "*/5 * * * *", "active"),
        *("suspended", "none", "atomic", "hot", "on", "off", "apply", "text", "dot", "trigger"),
        "select id from account",
        "select region, sum(balance) as s from account group by 1",
        "select * from summary",
    ]
)
# PostgreSQL's text holds everything but zero; some of it is long, or not what it seems.
CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXTS = st.one_of(
    NAMES,
    WORDS,
    st.text(CHARACTERS, max_size=70),
    st.text(st.sampled_from("\"'.$;%\\-*/()[]{} \n\tab"), max_size=12),
    st.sampled_from(["x" * 10_000, "ü" * 40, "\ufeff", "\u202e", "🎉" * 20, "NULL", "\\", "$$"]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "query", "format", "mode", "sources", "state"]) | TEXTS,
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "text[]": st.lists(st.none() | NAMES | TEXTS, max_size=3),
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 1, -1]),
    "bigint": st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, -1]),
    "oid": st.integers(0, 2**32 - 1) | st.sampled_from([0, 1, 1259]),
    "double precision": st.floats() | st.sampled_from([0.0, 0.5, 1.0]),
    "jsonb": JSON.map(psycopg.types.json.Jsonb),
    "json": JSON.map(psycopg.types.json.Json),
    "interval": st.timedeltas(),
    "timestamp with time zone": st.datetimes(),
}

Function = tuple[str, list[str]]


@pytest.fixture(scope="module")
def world(
    fresh_database: Callable[..., AbstractContextManager[str]],
) -> Iterator[psycopg.Connection]:
    with fresh_database() as dsn:
        with pgtrickle.connect(dsn) as engine:
            engine.install()
            build(engine)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("set client_min_messages = error; set statement_timeout = '60s'")
            yield connection


def is_explained(error: psycopg.Error) -> bool:
    """Not internal, not of a constraint or a call within the engine."""
    return (
        (error.sqlstate or "")[:2] in ("0A", "22", "25", "2B", "3D", "3F", "42", "55")
        and not (error.sqlstate == "42883" and "pgtrickle." in str(error))
        and bool(error.diag.message_primary)
    )


def call(connection: psycopg.Connection, name: str, types: list[str], values: list[Any]) -> None:
    arguments = ", ".join(f"%s::{type}" for type in types)
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"select * from pgtrickle.{name}({arguments})", values)  # type: ignore[arg-type]
    except psycopg.Error as error:
        if not is_explained(error):
            raise AssertionError((error.sqlstate, str(error), name, values)) from error


def play(world: psycopg.Connection, examples: int) -> None:
    functions = world.execute(FUNCTIONS, [LEFT_OUT]).fetchall()
    calls = st.sampled_from(functions).flatmap(
        lambda function: st.tuples(
            st.just((function[0], function[2])),
            st.tuples(*(st.none() | VALUES[type] for type in function[2])),
        )
    )

    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=examples < 1000,
    )
    @given(calls)
    def one(drawn: tuple[Function, tuple[Any, ...]]) -> None:
        (name, types), values = drawn
        call(world, name, types, list(values))

    one()
    assert not world.closed


def test_null_in_every_position(world: psycopg.Connection) -> None:
    defaults = {
        "text": "totals",
        "text[]": ["totals", "summary"],
        "boolean": True,
        "integer": 1,
        "bigint": 1,
        "oid": 1,
        "double precision": 0.5,
        "jsonb": "{}",
        "json": "{}",
        "interval": "1 hour",
        "timestamp with time zone": "2024-01-01",
    }
    for name, _, types in world.execute(FUNCTIONS, [LEFT_OUT]).fetchall():
        for position in range(len(types)):
            values: list[Any] = [defaults[type] for type in types]
            call(world, name, types, [*values[:position], None, *values[position + 1 :]])
        call(world, name, types, [None] * len(types))


def test_random_arguments(world: psycopg.Connection) -> None:
    play(world, 400)


@pytest.mark.soak
def test_many_random_arguments(world: psycopg.Connection) -> None:
    play(world, 20_000)
