"""What the tests of the lifecycle ask of the database."""

from __future__ import annotations

from typing import Any

import psycopg

Connection = psycopg.Connection[Any]


def call(connection: Connection, function: str, name: str | None, *given: Any, **named: Any) -> Any:
    """Call `pgtrickle.<function>(name, *given, **named)` and return its value."""
    arguments = ["%s"] * (1 + len(given)) + [f"{key} => %s" for key in named]
    row = connection.execute(
        f"select pgtrickle.{function}({', '.join(arguments)})", [name, *given, *named.values()]
    ).fetchone()
    return row[0] if row else None


def create(connection: Connection, name: str, query: str, **options: Any) -> None:
    call(connection, "create_stream_table", name, query, **options)


def catalog(connection: Connection, name: str) -> Any:
    """The catalog row of a stream table, by its unquoted name; None where there is none."""
    return connection.execute(
        "select * from pgtrickle.pgt_stream_tables where pgt_name = %s", [name]
    ).fetchone()


def rows(connection: Connection, table: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in connection.execute(f"table {table}").fetchall()), key=str)


def columns(connection: Connection, table: str) -> list[tuple[str, str]]:
    return [
        (name, type_)
        for name, type_ in connection.execute(
            "select attname::text, format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum",
            [table],
        ).fetchall()
    ]


def scalar(connection: Connection, query: str, *parameters: Any) -> Any:
    row = connection.execute(query, parameters or None).fetchone()
    return row[0] if row else None


def hidden(connection: Connection) -> list[str]:
    """State tables, executors and buffers that there are."""
    return [
        name
        for (name,) in connection.execute(
            "select relname::text from pg_class where relkind = 'r' and relnamespace in"
            " ('pgtrickle_state'::regnamespace, 'pgtrickle_changes'::regnamespace)"
            " union all select proname::text from pg_proc where pronamespace in"
            " ('pgtrickle_state'::regnamespace, 'pgtrickle_changes'::regnamespace) order by 1"
        ).fetchall()
    ]
