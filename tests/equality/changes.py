"""Random changes: what sessions do between two refreshes, as SQL text.

A statement may fail (a unique value taken, a lock held by the other session); it is then undone
alone, as an application with savepoints does it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.equality.case import Refresh, Run, Step, StreamTable
from tests.equality.choosing import Chooser
from tests.equality.queries import QueryMaker, Relation, Value
from tests.equality.schema import Table, TableColumn
from tests.equality.values import BIGINT, FLOAT, INT, NUMERIC, quote


def relation_of(table: Table) -> Relation:
    values = tuple(Value(column.name, column.type) for column in table.columns)
    return Relation(table.sql_name, values, 10)


class ChangeMaker:
    def __init__(
        self, choose: Chooser, tables: Sequence[Table], streams: Sequence[StreamTable]
    ) -> None:
        self.choose = choose
        self.tables = tables
        self.streams = streams
        self.maker = QueryMaker(choose, [])
        self.late = False

    def cycle(self) -> list[Step]:
        """Transactions, then a refresh of every stream table."""
        steps: list[Step] = []
        for _ in range(self.choose.number(1, 3)):
            steps += self._transaction()
        steps += self._late_session()
        if self.choose.chance(10):
            return steps + [Refresh(s.name) for s in self.choose.some(self.streams, 0, 2)]
        return steps + self._refreshes()

    def _refreshes(self) -> list[Step]:
        steps: list[Step] = [Refresh(stream.name) for stream in self.streams]
        if self.choose.chance(15):
            steps.append(Refresh(self.choose.one(self.streams).name))
        return steps

    def _transaction(self) -> list[Step]:
        kind = self.choose.weighted(
            single=40, several=25, rolled_back=8, savepoint=12, refreshed=10, repeatable=5
        )
        if kind == "single":
            return [Run(self.statement())]
        isolation = " isolation level repeatable read" if kind == "repeatable" else ""
        steps: list[Step] = [Run("begin" + isolation), Run(self.statement())]
        if kind == "savepoint":
            steps += [Run("savepoint s"), Run(self.statement()), Run("rollback to s")]
        if kind in ("refreshed", "repeatable"):
            steps += [Refresh(stream.name) for stream in self.choose.some(self.streams, 1, 2)]
        steps.append(Run(self.statement()))
        if kind == "refreshed" and self.choose.chance(50):
            steps += [Refresh(stream.name) for stream in self.choose.some(self.streams, 1, 2)]
        if kind == "rolled_back" or (kind == "refreshed" and self.choose.chance(25)):
            return [*steps, Run("rollback")]
        return [*steps, Run("commit")]

    def _late_session(self) -> list[Step]:
        """A second session, whose transaction may stay open over several refreshes."""
        if self.late:
            self.late = not self.choose.chance(60)
            if self.late:
                return [Run(self.insert(self.choose.one(self.tables)), session=1)]
            return [Run(self.choose.one(("commit", "commit", "rollback")), session=1)]
        if self.choose.chance(20):
            self.late = True
            statement = self.insert(self.choose.one(self.tables))
            return [Run("begin", session=1), Run(statement, session=1)]
        return []

    # Statements

    def statement(self) -> str:
        table = self.choose.one(self.tables)
        kind = self.choose.weighted(
            insert=30, update=30, delete=14, merge=6, both=6, copy=6, no_change=4, all=2, truncate=2
        )
        match kind:
            case "insert":
                return self.insert(table)
            case "update":
                return self.update(table)
            case "delete":
                return f"delete from {table.sql_name}{self._where(table, 95)}"
            case "merge":
                return self._merge(table)
            case "both":
                return self._both(table)
            case "copy":
                return self._copy(table)
            case "no_change":
                column = quote(self.choose.one(table.columns).name)
                return f"update {table.sql_name} set {column} = {column}"
            case "all":
                return f"delete from {table.sql_name}"
        return f"truncate {table.sql_name}"

    def _rows(self, table: Table, most: int) -> str:
        number = self.choose.number(1, most)
        return ", ".join(table.row(self.choose.number(0, 20000)) for _ in range(number))

    def insert(self, table: Table) -> str:
        sql = f"insert into {table.sql_name} values {self._rows(table, 4)}"
        if table.key is None:
            return sql
        if self.choose.chance(40):
            sets = ", ".join(
                f"{quote(c.name)} = excluded.{quote(c.name)}" for c in table.columns[1:]
            )
            row = table.row(self.choose.number(0, 20000))
            return (
                f"insert into {table.sql_name} values {row} on conflict (id) do update set {sets}"
            )
        return f"{sql} on conflict do nothing"

    def update(self, table: Table) -> str:
        columns = self.choose.some(table.columns, 1, 2) or table.columns[:1]
        sets = ", ".join(f"{quote(c.name)} = {self._new_value(table, c)}" for c in columns)
        return f"update {table.sql_name} set {sets}{self._where(table, 80)}"

    def _new_value(self, table: Table, column: TableColumn) -> str:
        name, type = quote(column.name), column.type
        computed = {
            INT.family: (f"{name} + 1", f"1 - {name}", f"- {name}", f"{name} % 3"),
            BIGINT.family: (f"- {name}",),
            NUMERIC.family: (f"{name} + 0.00", f"- {name}", f"trim_scale({name})", f"{name} * 1.0"),
            FLOAT.family: (f"- {name}", f"{name} + 0"),
        }.get(type.family)
        if computed and self.choose.chance(50):
            return self.choose.one(computed)
        return column.literal(self.choose.number(0, 20000))

    def _where(self, table: Table, percent: int) -> str:
        if not self.choose.chance(percent):
            return ""
        scope = [Value(quote(c.name), c.type) for c in table.columns]
        return f" where {self.maker.predicate(scope)}"

    def _copy(self, table: Table) -> str:
        """Duplicates where the table allows them, else rows under other keys."""
        items = [f"{quote(c.name)} + 3" if c.name == "id" else quote(c.name) for c in table.columns]
        conflict = " on conflict do nothing" if table.key else ""
        return (
            f"insert into {table.sql_name} select {', '.join(items)} from {table.sql_name}"
            f"{self._where(table, 100)} limit 3{conflict}"
        )

    def _merge(self, table: Table) -> str:
        names = ", ".join(quote(c.name) for c in table.columns)
        types = ", ".join(
            f"x.{quote(c.name)}::{c.type.name} as {quote(c.name)}" for c in table.columns
        )
        match_on = quote(table.columns[0].name)
        source = f"(select {types} from (values {self._rows(table, 3)}) as x ({names}))"
        values = ", ".join(f"s.{quote(c.name)}" for c in table.columns)
        last = quote(table.columns[-1].name)
        return (
            f"merge into {table.sql_name} as t using {source} as s"
            f" on t.{match_on} = s.{match_on}"
            f" when matched and s.{last} is null then delete"
            f" when matched then update set {last} = s.{last}"
            f" when not matched then insert values ({values})"
        )

    def _both(self, table: Table) -> str:
        """Two tables changed by one statement."""
        other = self.choose.one(self.tables)
        return (
            f"with gone as (delete from {table.sql_name}{self._where(table, 100)} returning 1)"
            f" {self.update(other)}"
        )
