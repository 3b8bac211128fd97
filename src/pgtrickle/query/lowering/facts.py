"""What lowering must know of the database, as an interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pgtrickle.query.algebra import Node
from pgtrickle.query.expression import Expression, Name


@dataclass(frozen=True, slots=True)
class RelationFacts:
    """A table: its columns in order as (name, not null), and its usable keys, best first.

    `obstacle` says why its changes cannot be captured, or is None. `scales` and `types` as those of
    a Scan.
    """

    relid: int
    columns: tuple[tuple[str, bool], ...]
    keys: tuple[tuple[str, ...], ...]
    obstacle: str | None = None
    scales: tuple[tuple[str, int], ...] = ()
    types: tuple[tuple[str, int], ...] = ()


class Facts(Protocol):
    """Answers questions about names as they stand in canonical text."""

    def relation(self, schema: str, name: str) -> RelationFacts: ...

    def is_aggregate(self, name: Name) -> bool: ...

    def is_null_over_no_rows(self, name: Name) -> bool: ...

    def returns_set(self, name: Name) -> bool: ...

    def types(self, node: Node, expressions: Sequence[Expression]) -> Sequence[str]:
        """Types, as SQL spells them, of expressions over the attributes of `node`."""
        ...
