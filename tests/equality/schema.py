"""Random tables."""

from __future__ import annotations

from dataclasses import dataclass

from tests.equality.choosing import Chooser
from tests.equality.values import COLUMN_TYPES, INT, TEXT, TIMESTAMP, Type, quote

NAMES = ("r", "s", 'Mixed "Case" Name.u', "w")


@dataclass(frozen=True)
class TableColumn:
    name: str
    type: Type
    not_null: bool = False

    def literal(self, code: int) -> str:
        """The value that a row's code means in this column; about one in six is NULL."""
        number = hash((code, len(self.name), ord(self.name[0])))
        if not self.not_null and number % 6 == 0:
            return "NULL"
        if self.type is TIMESTAMP and number % 5 < 2:
            return f"(now() + interval '{number % 700} ms')"  # about to be past
        return self.type.literal(number // 7)


@dataclass(frozen=True)
class Table:
    """`key` is the primary key's column; `unique` a further constraint, as SQL, or ''."""

    name: str
    columns: tuple[TableColumn, ...]
    key: str | None
    unique: str
    partitioned: bool = False

    @property
    def sql_name(self) -> str:
        return quote(self.name)

    def create(self) -> list[str]:
        parts = [
            f"{quote(c.name)} {c.type.name}{' not null' if c.not_null else ''}"
            for c in self.columns
        ]
        if self.key is not None:
            parts.append(f"primary key ({quote(self.key)})")
        if self.unique:
            parts.append(self.unique)
        head = f"create table {self.sql_name} ({', '.join(parts)})"
        if not self.partitioned:
            return [head]
        by = quote(self.columns[0].name)
        return [f"{head} partition by hash ({by})"] + [
            f"create table {quote(f'{self.name} part {i}')} partition of {self.sql_name}"
            f" for values with (modulus 2, remainder {i})"
            for i in range(2)
        ]

    def row(self, code: int) -> str:
        """A row of VALUES; with a key it is the code's lowest bits."""
        values = [
            str(code % 12) if column.name == self.key else column.literal(code)
            for column in self.columns
        ]
        return f"({', '.join(values)})"


def table(choose: Chooser, name: str) -> Table:
    kind = choose.weighted(primary=40, keyless=30, unique=20, partitioned=10)
    names = choose.some(tuple(COLUMN_TYPES), 2, 6)
    if not any(COLUMN_TYPES[n] in (INT, TEXT) for n in names):
        names.insert(0, "i")
    strict = set(choose.some(names, 0, 3))
    columns = [TableColumn(n, COLUMN_TYPES[n], n in strict) for n in names]
    unique = ""
    if kind == "primary":
        columns.insert(0, TableColumn("id", INT, True))
    if kind == "unique":
        columns.insert(0, TableColumn("id", INT, choose.chance(60)))
        when = choose.one(("", " deferrable", " deferrable initially deferred"))
        nulls = choose.one(("", " nulls not distinct"))
        unique = f"unique{nulls} (id){when}"
    if kind == "partitioned" and columns[0].type not in (INT, TEXT):
        columns.insert(0, TableColumn("i", INT)) if "i" not in names else None
        kind = "partitioned" if columns[0].type is INT else "keyless"
    return Table(
        name,
        tuple(columns),
        "id" if kind == "primary" else None,
        unique,
        kind == "partitioned",
    )


def tables(choose: Chooser) -> list[Table]:
    return [table(choose, name) for name in NAMES[: choose.number(2, 4)]]
