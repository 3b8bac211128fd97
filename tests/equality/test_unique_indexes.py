"""A unique index that a user made on a stream table, and values that trade places under it.

The result is unique before and after; only the way from one to the other might not be.
"""

from __future__ import annotations

import pytest
from tests.equality.case import Case, Databases, Refresh, Run, StreamTable, check

TABLE = (
    "create table r (id integer primary key, x integer unique deferrable, y integer)",
    "insert into r select n, n, n % 3 from generate_series(1, 9) n",
)
RESULTS = {
    "keyed": ("select id, x from r", 2, "(c2)"),
    "without_key": ("select x, y from r where x is not null", 2, "(c1)"),
    "groups": ("select y, sum(x) as s from r where id <= 3 group by y", 2, "(c2)"),
    "joined": ("select a.id, b.x from r a join r b using (id)", 2, "(c2)"),
    "deep": ("select max(x) as c1, y from (select x, y from r) as q group by y", 2, "(c1)"),
}
CHANGES = (
    "update r set x = 3 - x where x in (1, 2)",
    "update r set x = (x % 9) + 1",
    "update r set x = x + 1",
    "update r set x = x - 1",
    "delete from r where id = 1;update r set x = 1 where id = 2",
    "delete from r where id = 9;insert into r values (10, 9, 0)",
    "update r set x = 10 - x",
    "update r set x = null where id < 5;update r set x = id where id < 5",
    "update r set id = -id;update r set id = 10 + id",
)


@pytest.mark.every_server
@pytest.mark.parametrize("result", RESULTS)
def test_values_trade_places(result: str, databases: Databases) -> None:
    query, columns, indexed = RESULTS[result]
    names = ", ".join(f"c{n}" for n in range(1, columns + 1))
    stream = StreamTable(
        "stream_1",
        f"select * from ({query}) as q ({names})",
        unique=f"create unique index on stream_1 {indexed}",
    )
    steps: list[Run | Refresh] = []
    for change in CHANGES:
        steps += [*(Run(sql) for sql in change.split(";")), Refresh("stream_1")]
        # And back, so that every change is also met the other way round.
        steps += [Run("delete from r"), Run(TABLE[1]), Refresh("stream_1")]
    check(Case(TABLE, (stream,), tuple(steps)), databases)
