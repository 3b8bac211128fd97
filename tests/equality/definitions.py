"""Random changes of what the sources are, among those of their rows: constraints that come and go,
partitions that are detached, triggers that are switched off, whole tables written anew.

In transactions like any statement, so that they are undone, seen by a refresh in the same one, or
hidden from an older snapshot.
"""

from __future__ import annotations

from tests.equality.changes import ChangeMaker
from tests.equality.schema import Table
from tests.equality.values import quote


class Redefining(ChangeMaker):
    @property
    def _read_whole(self) -> bool:
        """Whether the text of a query means more columns once a table has more; the stream table
        keeps to those that it had."""
        return any(".*" in stream.query for stream in self.streams)

    def statement(self) -> str:
        if self.choose.chance(30):
            return self._definition(self.choose.one(self.tables))
        return super().statement()

    def _definition(self, table: Table) -> str:
        kind = self.choose.weighted(
            not_null=30,
            key=20,
            unique=15,
            partition=30 if table.partitioned else 0,
            triggers=10,
            column=0 if self._read_whole else 10,
            rewrite=8,
            rename=6,
        )
        change = f"alter table {table.sql_name}"
        column = quote(self.choose.one(table.columns).name)
        match kind:
            case "not_null":
                return f"{change} alter {column} {self.choose.one(('set', 'drop'))} not null"
            case "key":
                drop = f"drop constraint {quote(f'{table.name}_pkey')} cascade"
                return f"{change} {self.choose.one((drop, f'add primary key ({column})'))}"
            case "unique":
                drop = "drop constraint further cascade"
                add = f"add constraint further unique ({column})"
                return f"{change} {self.choose.one((drop, add))}"
            case "partition":
                return self._partition(table, change)
            case "triggers":
                return f"{change} {self.choose.one(('disable', 'enable', 'enable'))} trigger user"
            case "column":
                number = self.choose.number(1, 3)
                add = f"add column further_{number} integer default {number}"
                return f"{change} {self.choose.one((add, f'drop column further_{number}'))}"
            case "rewrite":
                types = {quote(each.name): each.type.name for each in table.columns}
                return f"{change} alter {column} type {types[column]} using {column}"
        return f"{change} rename to elsewhere; alter table elsewhere rename to {table.sql_name}"

    def _partition(self, table: Table, change: str) -> str:
        number = self.choose.number(0, 1)
        part = quote(f"{table.name} part {number}")
        detach = f"{change} detach partition {part}"
        attach = f"{change} attach partition {part} for values with (modulus 2, remainder {number})"
        written = f"{detach}; delete from {part}; {attach}"
        return self.choose.one((detach, attach, attach, f"{detach}; {attach}", written))
