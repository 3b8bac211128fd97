"""What a left join's missing row comes to: whether a condition above can be true of it.

``where amount > (select avg(amount) from t where t.k = s.k)`` becomes a left join with averages,
and a filter that is NULL where there is none: so it is an inner join. Comparisons and arithmetic of
PostgreSQL's own are NULL where an operand is; an operator of somebody else's bears its schema here.
"""

from __future__ import annotations

from collections.abc import Iterable

from pgtrickle.query.algebra import Node
from pgtrickle.query.expression import Column, Expression, Is, Operator, Or

COMPARISONS = frozenset({("=",), ("<>",), ("<",), ("<=",), (">",), (">=",)})
ARITHMETIC = frozenset({("+",), ("-",), ("*",), ("/",), ("%",)})


def rejects_missing(conditions: Iterable[Expression], right: Node) -> bool:
    """Whether some of the conditions is never true where all columns of `right` are NULL."""
    missing = frozenset(right.ids)
    return any(_is_not_true(condition, missing) for condition in conditions)


def _is_not_true(condition: Expression, missing: frozenset[str]) -> bool:
    match condition:
        case Or(operands=operands):
            return all(_is_not_true(operand, missing) for operand in operands)
        case Operator(name=name, left=Expression() as left, right=right) if name in COMPARISONS:
            return _is_null(left, missing) or _is_null(right, missing)
        case Is(operand=operand, test="NOT NULL"):
            return _is_null(operand, missing)
    return False


def _is_null(value: Expression, missing: frozenset[str]) -> bool:
    match value:
        case Column(relation=None, name=name):
            return name in missing
        case Operator(name=name, left=left, right=right) if name in ARITHMETIC:
            operands = (right,) if left is None else (left, right)
            return any(_is_null(operand, missing) for operand in operands)
    return False
