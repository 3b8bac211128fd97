"""Conditions as lists of conjuncts."""

from __future__ import annotations

from collections.abc import Iterable

from pgtrickle.query.expression import And, Expression


def conjuncts(condition: Expression | None) -> list[Expression]:
    """The operands of a conjunction, nested ones included; [] for no condition."""
    match condition:
        case None:
            return []
        case And(operands=operands):
            return [each for operand in operands for each in conjuncts(operand)]
    return [condition]


def conjunction(conditions: Iterable[Expression]) -> Expression | None:
    """AND of all of them; None for none."""
    found = tuple(conditions)
    if not found:
        return None
    return found[0] if len(found) == 1 else And(found)
