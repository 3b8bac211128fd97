"""The movie database in small, and queries over it of the shapes of the Join Order Benchmark.

The benchmark's 113 queries are variants of 33 joins of four to seventeen tables, each the least
values of what filters and equalities let through. These are 33 such joins of our own.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import psycopg
from psycopg import sql
from tests.corpora.corpus import read_queries

HERE = Path(__file__).parent
QUERIES = read_queries(HERE / "queries.sql")

# The values of the small tables, in order of their ids.
FIXED = {
    "kind_type": ("movie", "episode", "tv series"),
    "info_type": ("rating", "votes", "genres", "release dates", "budget", "mini biography"),
    "company_type": ("production companies", "distributors"),
    "link_type": ("follows", "followed by", "features"),
    "role_type": ("actor", "actress", "producer", "writer"),
    "comp_cast_type": ("cast", "crew", "complete", "complete+verified"),
    "keyword": ("sequel", "murder", "hero", "magnet", "based-on-comic"),
}
# How many rows the others have for each title.
SHARES = {
    "title": 1.0, "company_name": 0.2, "char_name": 0.5, "name": 0.5, "aka_name": 0.5,
    "aka_title": 0.3, "cast_info": 4.0, "complete_cast": 0.5, "movie_companies": 2.0,
    "movie_info": 3.0, "movie_info_idx": 2.0, "movie_keyword": 2.0, "movie_link": 0.5,
    "person_info": 0.5,
}  # fmt: skip
REFERENCES = {
    "kind_id": "kind_type", "info_type_id": "info_type", "company_type_id": "company_type",
    "link_type_id": "link_type", "role_id": "role_type", "subject_id": "comp_cast_type",
    "status_id": "comp_cast_type", "keyword_id": "keyword", "company_id": "company_name",
    "person_role_id": "char_name", "person_id": "name", "movie_id": "title",
    "linked_movie_id": "title",
}  # fmt: skip
DOMAINS: dict[str, tuple[Any, ...]] = {
    "country_code": ("[us]", "[de]", "[jp]", None),
    "gender": ("m", "f", None),
    "name_pcode_cf": ("A1", "B2", "C3"),
    "production_year": (*range(1990, 2015), None),
    "episode_nr": (*range(1, 60), None),
    "cast_info.note": ("(voice)", "(voice) (uncredited)", "(producer)", None),
    "movie_companies.note": ("(2008) (USA) (TV)", "(co-production)", "(presents)", None),
    "movie_info.note": ("internet", "none", None),
    "movie_info.info": ("Drama", "Horror", "USA: 2008", "Germany: 2010", "$10,000"),
    "movie_info_idx.info": ("2.5", "4.0", "7.5", "9.1", "1000"),
    "person_info.info": ("Volker Boehm", "anonymous"),
}


def load(connection: psycopg.Connection, titles: int = 60, seed: int = 1) -> None:
    """Create and fill the tables in the schema public."""
    connection.execute((HERE / "schema.sql").read_text())
    random = Random(seed)
    rows = {table: int(titles * share) for table, share in SHARES.items()}
    for table, values in FIXED.items():
        _insert(connection, table, [(id, value) for id, value in enumerate(values, 1)])
    sizes = {**{table: len(values) for table, values in FIXED.items()}, **rows}
    for table, count in rows.items():
        columns = _columns(connection, table)
        _insert(
            connection,
            table,
            [
                tuple(_value(random, table, column, id, sizes) for column in columns)
                for id in range(1, count + 1)
            ],
        )
    connection.execute("analyze")


def _columns(connection: psycopg.Connection, table: str) -> list[str]:
    rows = connection.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0"
        " order by attnum",
        [table],
    )
    return [name for (name,) in rows]


def _value(random: Random, table: str, column: str, id: int, sizes: dict[str, int]) -> Any:
    if column == "id":
        return id
    if column in REFERENCES:
        return random.randint(1, sizes[REFERENCES[column]])
    domain = DOMAINS.get(f"{table}.{column}") or DOMAINS.get(column)
    return random.choice(domain) if domain else f"{random.choice('ABKTX')}{column} {id % 17}"


def _insert(connection: psycopg.Connection, table: str, rows: list[tuple[Any, ...]]) -> None:
    values = sql.SQL(", ").join([sql.Placeholder()] * len(rows[0]))
    statement = sql.SQL("insert into {} values ({})").format(sql.Identifier(table), values)
    connection.cursor().executemany(statement, rows)
