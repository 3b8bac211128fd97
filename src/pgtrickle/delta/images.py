"""Expressions whose equal values print alike though those of their type need not.

``extract(year from t)`` is numeric, a type where 1.0 equals 1.00, but never has a fraction.
"""

from __future__ import annotations

from pgtrickle.query.algebra import Node, Project, walk_nodes
from pgtrickle.query.expression import Call, Column, Expression, Literal

WHOLE_FIELDS = frozenset(
    f"'{field}'"
    for field in (
        *("millennium", "century", "decade", "year", "isoyear", "quarter", "month", "week"),
        *("day", "dow", "isodow", "doy", "hour", "minute"),
    )
)


def prints_one_way(expression: Expression, child: Node) -> bool:
    """Whether equal values of `expression`, over the attributes of `child`, print alike."""
    match expression:
        case Call(name=("extract",) | ("pg_catalog", "extract"), arguments=(field, _)):
            return isinstance(field.value, Literal) and field.value.sql.lower() in WHOLE_FIELDS
        case Column(relation=None, name=name):
            return any(
                prints_one_way(computed, node.child)
                for node in walk_nodes(child)
                if isinstance(node, Project)
                for attribute, computed in node.items
                if attribute.id == name
            )
    return False
