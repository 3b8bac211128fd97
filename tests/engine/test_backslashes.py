"""Under standard_conforming_strings = off, which reads backslashes otherwise: what was asked for is
what is kept, and it is read alike by whoever refreshes it."""

from __future__ import annotations

import re
from importlib import resources

import psycopg
import pytest

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

QUERIES = {
    r"select replace(t, '\\', '/') as t from txt": ["a/b", "x"],
    r"select replace(t, E'\\', '/') as t from txt": ["a/b", "x"],
    r"select t from txt where t ~ '^a\\\\b$'": ["a\\b"],
    r"select t || '\tb' as t from txt where t = 'x'": ["x\tb"],
}
"""Queries as they are written with the setting off, and what they give."""


@pytest.fixture
def off(engine: Engine) -> Engine:
    engine.connection.execute(
        r"create table txt (t text); insert into txt values (E'a\\b'), ('x');"
        "set standard_conforming_strings = off; set escape_string_warning = off"
    )
    return engine


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_means_what_it_meant(query: str, off: Engine) -> None:
    off.session.rows("select pgtrickle.create_stream_table('st', $q$select t from txt$q$)")
    off.session.rows(
        "select pgtrickle.create_stream_table('made', %s),"
        " pgtrickle.alter_stream_table('st', query => %s)",
        (query, query),
    )
    off.connection.execute("insert into txt values ('y')")
    expected = sorted(row for (row,) in off.session.rows(query))
    assert set(expected) >= set(QUERIES[query])
    for setting in ("on", "off"):
        off.connection.execute(f"set standard_conforming_strings = {setting}")  # type: ignore[arg-type]
        for name in ("made", "st"):
            off.refresh(name)
            assert sorted(row for (row,) in off.session.rows(f"table {name}")) == expected
            assert off.verify(name).equal


def test_a_query_is_compiled_and_followed(off: Engine) -> None:
    query = r"select replace(t, '\\', '/') as t from txt"
    off.create_stream_table("st", query, refresh_mode="IMMEDIATE", schedule=None)
    off.connection.execute(r"insert into txt values ('c\\d')")
    assert ("c/d",) in off.session.rows("table st")
    off.session.rows("select pgtrickle.alter_stream_table('st', refresh_mode => 'DIFFERENTIAL')")
    off.connection.execute(r"alter table txt add column n integer; insert into txt values ('e\\f')")
    off.refresh("st")
    assert ("e/f",) in off.session.rows("table st")
    assert off.verify("st").equal


def test_what_must_be_kept_as_it_is_written_is_refused_with_a_backslash(off: Engine) -> None:
    query = r"select interval '-9223372036854775808 microseconds' as i, '\\' as t from txt"
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="backslashes"):
        off.session.rows("select pgtrickle.create_stream_table('st', %s)", (query,))
    off.connection.execute("set standard_conforming_strings = on")
    off.session.rows("select pgtrickle.create_stream_table('st', %s)", (query,))
    assert off.verify("st").equal


LITERAL = re.compile(
    r"--[^\n]*|\b[eE]'(?:[^'\\]|''|\\.)*'(?:\s*\n\s*'(?:[^'\\]|''|\\.)*')*|'(?:[^']|'')*'",
    re.DOTALL,
)
FUNCTION = re.compile(r"^create or replace function .*?^\$\$;$", re.DOTALL | re.MULTILINE)


def test_no_literal_of_the_runtime_depends_on_it() -> None:
    found = []
    for file in sorted(resources.files("pgtrickle.runtime").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            for function in FUNCTION.findall(file.read_text()):
                if "set standard_conforming_strings = on" not in function:
                    found += [
                        (file.name, literal)
                        for literal in LITERAL.findall(function)
                        if literal.startswith("'") and "\\" in literal
                    ]
    assert found == []
