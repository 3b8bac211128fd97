"""Nexmark's tables and queries, after their public description.

q12 counts bids by the time at which they are processed, which is no property of the data: there is
no query that a table could equal. All others from q0 to q22 are here.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from psycopg import sql
from tests.corpora.corpus import read_queries

HERE = Path(__file__).parent
QUERIES = read_queries(HERE / "queries.sql")

FIRST = datetime(2024, 1, 1)  # noqa: DTZ001 -- the columns have no time zone
STATES = ("OR", "ID", "CA", "WA", "AZ")
CHANNELS = ("Apple", "Google", "Facebook", "Baidu", "channel-7", "channel-8")


def load(connection: psycopg.Connection, bids: int = 400, seed: int = 1) -> None:
    """Create and fill the tables in the schema public: an auction for every ten bids."""
    connection.execute((HERE / "schema.sql").read_text())
    random = Random(seed)
    auctions = max(bids // 10, 5)
    people = max(auctions // 2, 5)

    def moment() -> datetime:
        return FIRST + timedelta(
            milliseconds=random.randrange(120_000) + 43_200_000 * random.randrange(3)
        )

    def person(id: int) -> tuple[Any, ...]:
        place = random.choice(("Boise", "Portland")), random.choice(STATES)
        return id, f"name {id % 7}", f"p{id}@x.net", "1234", *place, moment(), "extra"

    def auction(id: int) -> tuple[Any, ...]:
        opened = moment()
        closes = opened + timedelta(seconds=random.choice((20, 120)))
        seller, category = random.randint(1, people), random.randint(8, 12)
        return id, f"item {id % 5}", "as new", 100, 200, opened, closes, seller, category, None

    def bid(_: int) -> tuple[Any, ...]:
        url = f"https://x.net/{random.choice('abc')}/{random.choice('de')}/item.htm?query=1"
        if random.random() < 0.5:
            url += f"&channel_id={random.randint(1, 9)}"
        who = random.randint(1, auctions), random.randint(1, people), random.randint(1, 999)
        return *who, random.choice(CHANNELS), url, moment(), random.choice(("c", "acc", "", None))

    _insert(connection, "person", [person(id) for id in range(1, people + 1)])
    _insert(connection, "auction", [auction(id) for id in range(1, auctions + 1)])
    _insert(connection, "bid", [bid(number) for number in range(bids)])
    _insert(connection, "side_input", [(key, f"value {key}") for key in range(8)])
    connection.execute("analyze")


def _insert(connection: psycopg.Connection, table: str, rows: list[tuple[Any, ...]]) -> None:
    values = sql.SQL(", ").join([sql.Placeholder()] * len(rows[0]))
    statement = sql.SQL("insert into {} values ({})").format(sql.Identifier(table), values)
    connection.cursor().executemany(statement, rows)
