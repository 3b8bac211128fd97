"""Changes known to break incremental maintenance, each by name: the cases in `named/*.sql`.

A case is set-up, the query of a stream table, and changes, each followed by a refresh and a
comparison. The query's columns are compared as they print, or where equal values may print either
way, under expressions over ``{}``, one for each column.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.equality.case import Case, Databases, Refresh, Run, Step, StreamTable, check

FILES = sorted((Path(__file__).parent / "named").glob("*.sql"))


def named_cases() -> Iterator[object]:
    for file in FILES:
        for text in file.read_text(encoding="utf-8").split("-- case ")[1:]:
            yield pytest.param(text, id=text.split("\n", 1)[0])


def read(text: str) -> Case:
    """The case that a section of a file describes, less the columns' number."""
    setup, query, *changes = [_statements(part) for part in _parts(text)]
    comparison = [line for line in text.splitlines() if line.startswith("-- compared under ")]
    normals = comparison[0].removeprefix("-- compared under ").split(" | ") if comparison else []
    steps: list[Step] = []
    for change in changes:
        steps += [Run(sql) for sql in change]
        steps.append(Refresh("stream_1"))
    return Case(tuple(setup), (StreamTable("stream_1", query[0], tuple(normals)),), tuple(steps))


def _parts(text: str) -> Iterator[str]:
    setup, *changes = text.split("-- change\n")
    yield from setup.split("-- query\n")
    yield from changes


def _statements(part: str) -> list[str]:
    return [line.removesuffix(";") for line in part.splitlines() if line.endswith(";")]


def has_icu(databases: Databases) -> bool:
    with databases() as dsn, psycopg.connect(dsn) as connection:
        found = connection.execute("select from pg_collation where collname = 'und-x-icu'")
        return found.rowcount > 0


@pytest.mark.every_server
@pytest.mark.parametrize("text", named_cases())
def test_named_case(text: str, databases: Databases) -> None:
    if "provider = icu" in text and not has_icu(databases):
        pytest.skip("this server was built without ICU")
    check(read(text), databases)
