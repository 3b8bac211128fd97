"""Wrong calls of the SQL functions: the exact answer, and nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psycopg
import pytest
from tests.reliability.bad_input.build import build
from tests.reliability.bad_input.cases import CALLS, answer, known

import pgtrickle

ANSWERS = known()
STATE = """
    select md5(concat_ws('/',
        (select string_agg(s::text, '|' order by s.pgt_id) from pgtrickle.pgt_stream_tables s),
        (select string_agg(d::text, '|' order by d) from pgtrickle.pgt_dependencies d),
        (select string_agg(f::text, '|' order by f.pgt_id) from pgtrickle.pgt_frontiers f),
        (select string_agg(p::text, '|' order by p.pgt_id) from pgtrickle.pgt_plans p),
        (select string_agg(c::text, '|' order by c.source_relid) from pgtrickle.pgt_captures c),
        (select string_agg(c.oid || c.relname, '|' order by c.oid) from pg_class c
            where not pg_is_other_temp_schema(c.relnamespace)),
        (select string_agg(t.oid || t.tgname || t.tgenabled::text, '|' order by t.oid)
            from pg_trigger t),
        (select string_agg(p.oid || p.proname, '|' order by p.oid) from pg_proc p
            where not pg_is_other_temp_schema(p.pronamespace)),
        (select string_agg(t::text, '|' order by t) from totals t),
        (select string_agg(a::text, '|' order by a) from account a)))
"""


@pytest.fixture(scope="module")
def world(
    fresh_database: Callable[..., AbstractContextManager[str]],
) -> Iterator[psycopg.Connection]:
    with fresh_database() as dsn:
        with pgtrickle.connect(dsn) as engine:
            engine.install()
            build(engine)
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection


def test_there_are_enough() -> None:
    assert list(ANSWERS) == CALLS
    assert len(CALLS) >= 150


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call(world: psycopg.Connection, call: str) -> None:
    before = world.execute(STATE).fetchone()
    try:
        # Not in a transaction that is rolled back anyway.
        world.execute(call)  # type: ignore[arg-type]
    except psycopg.Error as error:
        said = (error.sqlstate, error.diag.message_primary, error.diag.message_hint)
        assert "\n".join(part for part in said if part) == ANSWERS[call]
    else:
        pytest.fail("no error")
    finally:
        world.execute("reset search_path")
    assert world.execute(STATE).fetchone() == before


def test_an_answer_is_taken_without_a_trace(world: psycopg.Connection) -> None:
    assert answer(world, "select 1") == "(no error)"
