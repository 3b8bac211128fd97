"""A value declared unique on a stream table may pass from one row to another within a refresh."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

QUERIES = {
    "rows without a key": "select upper(name) as name, email from person",
    "rows by key": "select id, name, email from person",
    "groups": "select id, max(name) as name, max(email) as email from person group by id",
    "groups by hash": "select nick, count(*) as n, max(email) as email from person group by nick",
}
CHANGES = (
    "update person set name = name || 'x', nick = nick || 'x' where id = 2",
    "delete from person where id = 1; insert into person values (10, 'n', 'k', 'e1')",
    "delete from person where id = 1; update person set email = 'e1' where id = 2",
    "update person set email = 'e9' where id = 1; insert into person values (10, 'n', 'k', 'e1')",
)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_it_is_no_conflict(engine: Engine, query: str, change: str) -> None:
    engine.connection.execute(
        "create table person (id integer primary key, name text, nick text, email text);"
        "insert into person select i, 'n' || i, 'k' || i, 'e' || i from generate_series(1, 3) i"
    )
    engine.create_stream_table("copy", query)
    engine.connection.execute("create unique index on copy (email)")
    engine.connection.execute(change)
    outcome = engine.refresh("copy")
    assert (outcome.action, outcome.reason) == ("DIFFERENTIAL", None)
    assert engine.verify("copy").equal
