"""Groups of which each is one left row of an outer join: they know how often it was matched.

In ``customers LEFT JOIN orders ON o.customer = c.id GROUP BY c.id`` a group has the rows of one
customer: one for each order, or one without any. With the number of orders kept in the group's
state, whether a customer lost the last order or got the first (`delta.matching`) is read there, and
not asked of the orders.
"""

from __future__ import annotations

from dataclasses import replace

from pgtrickle.delta.accumulators.parts import filter_clause, number
from pgtrickle.delta.aggregate.analysis import Analysis
from pgtrickle.delta.matching import take_apart
from pgtrickle.delta.relation import is_not_null
from pgtrickle.delta.state import KnownMatches, StateTable
from pgtrickle.query.algebra import Aggregate, OuterJoin
from pgtrickle.query.expression import Column
from pgtrickle.query.keys import keys

MATCHED = "__m"
"""State column: how many rows of the group are matched."""


def counting_matches(node: Aggregate, analysis: Analysis) -> Analysis:
    """The analysis with a part for the matches, where a group is one left row."""
    equal = _equalities(node)
    if equal is None or analysis.matching.hashed:
        return analysis
    # A row that is matched has a value there, or it would not be equal.
    right = next(iter(equal.values()))
    part = number(MATCHED, filter_clause(is_not_null(right)))
    return replace(analysis, matched=part)


def known_matches(node: Aggregate, table: StateTable) -> KnownMatches:
    """What the state tells of the outer join below: of a node that counts matches."""
    return KnownMatches(table.read, tuple(equated_keys(node)), MATCHED)


def equated_keys(node: Aggregate) -> dict[str, str]:
    """The right column that each key of a node that counts matches is equated with."""
    equal = _equalities(node)
    if equal is None:
        raise ValueError("no outer join is counted")
    groups = {e.name: attribute.id for attribute, e in node.keys if isinstance(e, Column)}
    return {groups[left]: right for left, right in equal.items()}


def _equalities(node: Aggregate) -> dict[str, str] | None:
    """Left and right columns that the join below equates, if the left ones are the group's keys and
    a key of the left side; in the order in which the condition has them."""
    join = node.child
    if not isinstance(join, OuterJoin) or join.full or not node.keys:
        return None
    condition = take_apart(join.condition, join.left, join.right)
    if condition.left or condition.rest or not condition.equal:
        return None
    equal = dict(condition.equal)
    grouped = {e.name for _, e in node.keys if isinstance(e, Column) and e.relation is None}
    if (
        len(equal) != len(condition.equal)
        or len(grouped) != len(node.keys)
        or grouped != set(equal)
    ):
        return None
    if not set(equal.values()) <= set(join.right.ids):
        return None
    return equal if any(key and key <= grouped for key in keys(join.left)) else None
