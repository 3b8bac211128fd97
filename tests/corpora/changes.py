"""Random changes that keep to the domain of the data.

A new value of a column is the value of another row in that column, so predicates and joins keep
finding something whatever the schema is. Keys are fresh, or those of rows that were there once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg
from psycopg import sql

POOL = 400
"""Values remembered of each column."""


@dataclass
class Table:
    name: str
    columns: list[str]
    key: list[str]
    integer_keys: list[str]
    pool: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.name)


class Changes:
    """Inserts, updates and deletes on all tables of the schema public but those in `still`."""

    def __init__(
        self, connection: psycopg.Connection, seed: int, still: frozenset[str] = frozenset()
    ) -> None:
        self.connection = connection
        self.random = Random(seed)
        self.fresh = 10_000_000
        self.tables = [self._table(name) for name in self._names() if name not in still]

    def _names(self) -> list[str]:
        rows = self.connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace"
            " and relkind = 'r' order by 1"
        )
        return [name for (name,) in rows]

    def _table(self, name: str) -> Table:
        rows = self.connection.execute(
            "select a.attname, a.attnum = any (k.conkey), a.atttypid in (20, 21, 23)"
            " from pg_attribute a left join pg_constraint k"
            " on k.conrelid = a.attrelid and k.contype = 'p'"
            " where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped"
            " order by a.attnum",
            [name],
        ).fetchall()
        key = [column for column, is_key, _ in rows if is_key]
        integers = [column for column, is_key, is_integer in rows if is_key and is_integer]
        table = Table(name, [column for column, _, _ in rows], key, integers)
        sample = self.connection.execute(
            sql.SQL("select * from {} order by hashtext({}::text) limit {}").format(
                table.identifier, table.identifier, POOL
            )
        ).fetchall()
        for i, column in enumerate(table.columns):
            table.pool[column] = [row[i] for row in sample]
        return table

    def cycle(self, rows: int) -> None:
        """Some rows of every table inserted, updated and deleted, in random order."""
        for table in self.random.sample(self.tables, len(self.tables)):
            steps = [self.insert, self.update, self.delete, self.move]
            for step in self.random.sample(steps, len(steps)):
                step(table, self.random.randint(1, rows))

    def insert(self, table: Table, rows: int) -> None:
        if not table.columns:
            return
        statement = sql.SQL("insert into {} values ({}) on conflict do nothing").format(
            table.identifier, sql.SQL(", ").join([sql.Placeholder()] * len(table.columns))
        )
        for _ in range(rows):
            row = {column: self._value(table, column) for column in table.columns}
            if table.integer_keys and self.random.random() < 0.7:
                row[table.integer_keys[-1]] = self._new()
            self.connection.execute(statement, list(row.values()))

    def update(self, table: Table, rows: int) -> None:
        """Columns outside the key take values of other rows."""
        others = [column for column in table.columns if column not in table.key]
        if not others:
            return
        for _ in range(rows):
            chosen = self.random.sample(others, min(len(others), self.random.randint(1, 3)))
            self._update(table, {column: self._value(table, column) for column in chosen})

    def move(self, table: Table, rows: int) -> None:
        """A row gets another key."""
        if table.integer_keys:
            self._update(table, {table.integer_keys[-1]: self._new()})

    def delete(self, table: Table, rows: int) -> None:
        self.connection.execute(
            sql.SQL("delete from {} where ctid = any (array({}))").format(
                table.identifier, self._some(table, rows)
            )
        )

    def _update(self, table: Table, values: dict[str, Any]) -> None:
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder())
            for column in values
        )
        self.connection.execute(
            sql.SQL("update {} set {} where ctid = any (array({}))").format(
                table.identifier, assignments, self._some(table, 1)
            ),
            list(values.values()),
        )

    def _some(self, table: Table, rows: int) -> sql.Composed:
        """The places of some rows, the same in every run with the same seed."""
        salt = sql.Literal(str(self.random.random()))
        return sql.SQL("select ctid from {} order by md5({}::text || {}) limit {}").format(
            table.identifier, table.identifier, salt, rows
        )

    def _value(self, table: Table, column: str) -> Any:
        pool = table.pool[column]
        return self.random.choice(pool) if pool else None

    def _new(self) -> int:
        self.fresh += 1
        return self.fresh
