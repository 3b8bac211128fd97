"""Attribute ids, unique in one tree."""

from __future__ import annotations

from itertools import count

from pgtrickle.query.algebra import Attribute


class Attributes:
    """Hands out attributes with new ids."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self, not_null: bool = False) -> Attribute:
        return Attribute(f"c{next(self._numbers)}", not_null)
