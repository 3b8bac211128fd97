"""The engine's view of the connection dbt holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg2.extensions

# Arrays psycopg2 leaves as text, and the type of their elements.
_ARRAYS = {
    1003: psycopg2.extensions.UNICODE,  # name[]
    1028: psycopg2.extensions.INTEGER,  # oid[]
    2210: psycopg2.extensions.UNICODE,  # regclass[]
    2211: psycopg2.extensions.UNICODE,  # regtype[]
}
_CASTERS = [
    psycopg2.extensions.new_array_type((oid,), f"PGTRICKLE_{oid}", element)
    for oid, element in _ARRAYS.items()
]


class DbtSession:
    """A `pgtrickle.database.Session` over a psycopg2 connection; commits nothing by itself."""

    def __init__(self, handle: psycopg2.extensions.connection) -> None:
        self._handle = handle

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._handle.cursor() as cursor:
            for caster in _CASTERS:
                psycopg2.extensions.register_type(caster, cursor)
            cursor.execute(sql, tuple(parameters) or None)
            return list(cursor.fetchall()) if cursor.description is not None else []
