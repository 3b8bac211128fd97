"""What lowering must know of the database, as an interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pgtrickle.query.expression import Name


@dataclass(frozen=True, slots=True)
class RelationFacts:
    """A table: its columns in order as (name, not null), and its usable keys, best first.

    `obstacle` says why its changes cannot be captured, or is None.
    """

    relid: int
    columns: tuple[tuple[str, bool], ...]
    keys: tuple[tuple[str, ...], ...]
    obstacle: str | None = None


class Facts(Protocol):
    """Answers questions about names as they stand in canonical text."""

    def relation(self, schema: str, name: str) -> RelationFacts: ...

    def is_aggregate(self, name: Name) -> bool: ...

    def returns_set(self, name: Name) -> bool: ...
