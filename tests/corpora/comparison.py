"""Is a table a result that PostgreSQL itself may return for a query?

It is the query's bag of rows, as they print. Where a LIMIT cuts through rows that its order does
not tell apart, any of them will do: the table must then hold all rows before those, and fill up
with some of those.
"""

from __future__ import annotations

import re
from collections import Counter

import psycopg

LIMIT = re.compile(r"\blimit\s+(\d+)\s*$", re.IGNORECASE)


def difference(connection: psycopg.Connection, table: str, query: str) -> str | None:
    """What is wrong with `table`, or None."""
    found = _rows(connection, f"select * from {table}")
    limit = LIMIT.search(query)
    if limit is None:
        return _shown(found, _rows(connection, query))
    number = int(limit[1])
    unlimited = query[: limit.start()]

    def first(count: int) -> Counter[str]:
        if count == 0:
            return Counter()
        return _rows(connection, f"{unlimited}\nfetch first {count} rows with ties")

    everything = _rows(connection, unlimited)
    if everything.total() <= number:
        return _shown(found, everything)
    allowed = first(number)
    if allowed.total() == number:
        return _shown(found, allowed)
    before = next(n for n in range(number - 1, -1, -1) if first(n).total() == n)
    if found.total() != number:
        return f"{found.total()} rows instead of {number}"
    if first(before) - found:
        return f"missing: {list(first(before) - found)[:3]}"
    if found - allowed:
        return f"not of the first {number}: {list(found - allowed)[:3]}"
    return None


def _rows(connection: psycopg.Connection, query: str) -> Counter[str]:
    return Counter(
        text for (text,) in connection.execute(f"select row(q.*)::text from (\n{query}\n) as q")
    )


def _shown(found: Counter[str], wanted: Counter[str]) -> str | None:
    if found == wanted:
        return None
    return f"missing {list(wanted - found)[:3]}, too many {list(found - wanted)[:3]}"
