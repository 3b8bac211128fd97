"""State tables: the arrangements that stateful operators keep between refreshes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from pgtrickle.query.names import quote_name

SCHEMA = "pgtrickle_state"


@dataclass(frozen=True, slots=True)
class ColumnType:
    """What the rules must know of a column's type.

    `name` as format_type spells it, typmod included. `bitwise`: equal values print equally, so
    that equality decides whether a value changed. `hashable`: it has a hash function (bit strings
    have none, nor money: their text has). `width`: how many bytes a value takes at most, None
    without a limit. `compares`: ``=`` means the equality of groups. `ordered`: it can be sorted by
    (transaction ids and access rights have a hash and no order).
    """

    oid: int
    name: str
    bitwise: bool
    hashable: bool
    width: int | None
    compares: bool = True
    ordered: bool = True

    def obstacle(self) -> str | None:
        """Why rows cannot be kept by values of this type, or None."""
        if not (self.hashable or self.bitwise):
            return f"values of type {self.name} have no hash function"
        if not self.compares:
            return f"the operators of type {self.name} are not in the search_path"
        if not self.ordered:
            return f"values of type {self.name} have no order"
        return None


def fit_an_index(widths: Iterable[int | None]) -> bool:
    """Whether an index can be on columns of these widths together, whatever their values."""
    known = list(widths)
    return len(known) <= MOST_COLUMNS and sum(width or MOST_BYTES for width in known) < MOST_BYTES


MOST_COLUMNS, MOST_BYTES = 32, 2600
"""Of an index: its columns, and the bytes of an entry (2,704 with its head)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Expressions over a FROM item."""

    items: tuple[str, ...]
    source: str


class Describer(Protocol):
    """Tells the types of selected expressions, without running anything.

    `ctes` are common table expressions that the selections may read.
    """

    def __call__(
        self, ctes: Sequence[str], selections: Sequence[Selection]
    ) -> Sequence[Sequence[ColumnType]]: ...


@dataclass(frozen=True, slots=True)
class StateTable:
    """A hidden table of a stream table.

    `fill` is the SELECT that computes its rows from base tables; its columns are the table's.
    `key` are the columns of its index (none without any), which is unique, NULLS NOT DISTINCT,
    where `unique` says so. `lookup` are the columns of another one, for joins.
    """

    name: str
    fill: str
    key: tuple[str, ...]
    unique: bool
    lookup: tuple[str, ...]

    @property
    def suffix(self) -> str:
        """Its number among the plan's state tables, for the names of CTEs."""
        return self.name.rsplit("_", 1)[1]

    @property
    def filling(self) -> str:
        """The CTE that holds its first rows while it is filled."""
        return f"filled_{self.suffix}"

    @property
    def read(self) -> str:
        """The table as a FROM item, with the place of each row."""
        return f"(SELECT s.*, s.ctid AS __stored FROM {self.qualified} AS s)"

    @property
    def place(self) -> tuple[str, ...]:
        """The columns of `read` that say where a row is."""
        return ("__stored",)

    @property
    def qualified(self) -> str:
        return quote_name((SCHEMA, self.name))


@dataclass(frozen=True, slots=True)
class VisibleState:
    """The stream table as the state of the aggregation at its top.

    `read` is a FROM item with the columns of a state table, and those of `place`, which say where a
    row is.
    """

    read: str
    place: tuple[str, ...] = ("__place", "__part")
    suffix: str = "0"


@dataclass(frozen=True, slots=True)
class KnownMatches:
    """Where it stands how many rows a left row of an outer join was matched by.

    `read` is a FROM item with `keys`, the left row's side of the join's equalities, and `number`.
    """

    read: str
    keys: tuple[str, ...]
    number: str


@dataclass(slots=True)
class States:
    """The state tables of one plan, by their owner.

    By the id of a node: the types it asked for (`delta.types`), what was decided about it, the
    state of the one that has it in the stream table, and of outer joins the matches that are known.
    `lookups` are the sets of columns by which joins above look a node's state up.
    `token` stands for the stream table's name; in `afresh` for whether groups are aggregated afresh
    that rarely are, which is known when the SQL is run.
    `one_equality`: values that are equal by one comparison of the query are so by all; not where a
    nondeterministic collation may meet another one.
    """

    describer: Describer
    one_equality: bool = True
    prefix: str = field(default_factory=lambda: f"s_{uuid4().hex[:12]}")
    tables: dict[Hashable, StateTable] = field(default_factory=dict)
    types: dict[int, Sequence[ColumnType]] = field(default_factory=dict)
    analyses: dict[int, Any] = field(default_factory=dict)
    visible: dict[int, VisibleState] = field(default_factory=dict)
    matches: dict[int, KnownMatches] = field(default_factory=dict)
    lookups: dict[int, list[frozenset[str]]] = field(default_factory=dict)
    token: str = "t"

    @property
    def afresh(self) -> str:
        return f"{self.token}_afresh"

    def add(
        self,
        owner: Hashable,
        fill: str,
        *,
        key: tuple[str, ...] = (),
        index: tuple[str, ...] = (),
        lookup: tuple[str, ...] = (),
    ) -> StateTable:
        """Add a state table, found by its `key` or by an `index` that is not unique.

        `owner` is the id of the node, or that with the name of one of several tables.
        """
        name = f"{self.prefix}_{len(self.tables) + 1}"
        table = StateTable(name, fill, key or index, not index, lookup)
        self.tables[owner] = table
        return table
