"""What joins look up in a state table is in an index of it."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine

BY_DAY = "select day, place, sum(amount) as total from visits group by day, place"
BY_NOTE = "select note, place, count(*) as n from visits group by note, place"

BOTH = (
    f"with b as ({BY_DAY}) select a.total, c.total as other from stops"
    " left join b a on a.place = id left join b c on c.place = id and c.day = since"
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # Days may be NULL, so that the state has an index on the hash of its keys.
        (f"select b.total from stops left join ({BY_DAY}) b on day = since and place = id", 2),
        # Not the first of the keys.
        (f"select b.total from stops left join ({BY_DAY}) b on place = id", 1),
        # One of keys of which another is too long for an index.
        (f"select id from stops where id in (select place from ({BY_NOTE}) b)", 1),
        (f"select id from stops where name in (select note from ({BY_NOTE}) b)", 0),
        # By what a window takes together.
        (f"select day, rank() over (partition by place order by total) from ({BY_DAY}) b", 1),
        # One for two joins, of which one asks for more.
        (BOTH, 2),
    ],
)
def test_what_is_looked_up_has_an_index(query: str, expected: int, engine: Engine) -> None:
    engine.connection.execute(
        "create table visits (id integer primary key, day date, place integer, note text,"
        " amount integer); create table stops (id integer primary key, name text, since date)"
    )
    assert len(engine.compile(query).state[0].lookup) == expected


def test_what_the_keys_serve_needs_no_other_index(engine: Engine) -> None:
    engine.connection.execute("create table paid (shop integer not null, day date not null)")
    by_shop = "select shop, day, count(*) as n from paid group by shop, day"
    joined = engine.compile(
        f"select s.name from shops s join ({by_shop}) b on b.shop = length(s.name) and b.n > 1"
    )
    other = engine.compile(
        f"select p.shop, b.n from paid p left join ({by_shop}) b on b.day = p.day"
    )
    assert [state.lookup for state in joined.state] == [()]
    assert len(other.state[0].lookup) == 1
