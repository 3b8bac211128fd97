"""Choices of a random case, all made of numbers; the first of everything is simplest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Chooser:
    """`number(low, high)` draws an integer, both bounds included."""

    def __init__(self, number: Callable[[int, int], int]) -> None:
        self.number = number

    def one(self, of: Sequence[T]) -> T:
        return of[self.number(0, len(of) - 1)]

    def chance(self, percent: int) -> bool:
        return self.number(0, 99) >= 100 - percent

    def some(self, of: Sequence[T], least: int, most: int) -> list[T]:
        """Different elements, in their order."""
        most = min(most, len(of))
        left = list(range(len(of)))
        taken = [
            left.pop(self.number(0, len(left) - 1))
            for _ in range(self.number(min(least, most), most))
        ]
        return [of[i] for i in sorted(taken)]

    def weighted(self, **weights: int) -> str:
        """A name, as often as its weight says."""
        at = self.number(0, sum(weights.values()) - 1)
        for name, weight in weights.items():
            at -= weight
            if at < 0:
                return name
        raise AssertionError("unreachable")
