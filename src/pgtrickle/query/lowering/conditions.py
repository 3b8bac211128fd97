"""Conditions as lists of conjuncts."""

from __future__ import annotations

from collections.abc import Iterable

from pgtrickle.query.expression import And, Expression, Or


def conjuncts(condition: Expression | None) -> list[Expression]:
    """The operands of a conjunction, nested ones included; [] for no condition.

    What all operands of a disjunction share is taken out of it, so that joins and correlations
    inside are seen: ``(a AND b) OR (a AND c)`` is ``a AND (b OR c)``, NULLs included.
    """
    match condition:
        case None:
            return []
        case And(operands=operands):
            return [each for operand in operands for each in conjuncts(operand)]
        case Or(operands=operands):
            return _factored(condition, [conjuncts(operand) for operand in operands])
    return [condition]


def _factored(condition: Or, branches: list[list[Expression]]) -> list[Expression]:
    shared = [each for each in branches[0] if all(each in branch for branch in branches[1:])]
    if not shared:
        return [condition]
    rest = [conjunction(each for each in branch if each not in shared) for branch in branches]
    different = tuple(each for each in rest if each is not None)
    return shared + ([Or(different)] if len(different) == len(rest) else [])


def conjunction(conditions: Iterable[Expression]) -> Expression | None:
    """AND of all of them; None for none."""
    found = tuple(conditions)
    if not found:
        return None
    return found[0] if len(found) == 1 else And(found)
