"""Joins that only compare with the one row of their other side are semi-joins.

``where amount > (select avg(amount) from t)`` becomes a join with an aggregation that has one row.
As a join its delta is every row that meets the condition, once with the former average and once
with the present one, though the two differ in nothing that is read above. As a semi-join it is the
rows for which the comparison turns out otherwise (`pgtrickle.delta.single`).
"""

from __future__ import annotations

from pgtrickle.query.algebra import Join, Node, SemiJoin, Working, walk_nodes
from pgtrickle.query.expression import And, Expression, Operator
from pgtrickle.query.keys import keys
from pgtrickle.query.moments import reads_moment

ONE_ROW = frozenset[str]()
"""The key of a relation that has one row at most."""


def compared(node: Join, wanted: frozenset[str]) -> Join | SemiJoin:
    """`node`, as a semi-join if nothing in `wanted` is of the side that has one row."""
    if node.condition is None or _equates(node.condition) or reads_moment(node.condition):
        return node
    if any(isinstance(each, Working) for each in walk_nodes(node)):
        return node
    for kept, single in ((node.left, node.right), (node.right, node.left)):
        if _hands_on_nothing(single, wanted) and ONE_ROW in keys(single):
            return SemiJoin(kept, single, node.condition, negated=False)
    return node


def _hands_on_nothing(single: Node, wanted: frozenset[str]) -> bool:
    return not wanted.intersection(single.ids)


def _equates(condition: Expression) -> bool:
    """Whether it is equalities alone, by which few rows are found at once."""
    conjuncts = condition.operands if isinstance(condition, And) else (condition,)
    return all(isinstance(each, Operator) and each.name == ("=",) for each in conjuncts)
