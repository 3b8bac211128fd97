"""Which column of which table an attribute is, where its values are that column's unchanged."""

from __future__ import annotations

from pgtrickle.query.algebra import (
    Aggregate,
    Attribute,
    Constant,
    Node,
    Project,
    Recursion,
    Scan,
    UnionAll,
    Working,
)
from pgtrickle.query.expression import Column, Expression


def column_origin(node: Node, id: str) -> tuple[Scan, str] | None:
    """The scan and column name that the attribute `id` of `node` comes from; None for neither.

    Whatever stands between, the attribute has the column's type, type modifier included.
    """
    match node:
        case Scan():
            return next(((node, name) for each, name in node.columns if each.id == id), None)
        case Constant() | UnionAll() | Recursion() | Working():
            return None
        case Project():
            return _computed(node.child, node.items, id)
        case Aggregate():
            return _computed(node.child, node.keys, id)
    below = next((child for child in node.children if id in child.ids), None)
    return None if below is None else column_origin(below, id)


def _computed(
    child: Node, items: tuple[tuple[Attribute, Expression], ...], id: str
) -> tuple[Scan, str] | None:
    for attribute, expression in items:
        if attribute.id == id and isinstance(expression, Column) and expression.relation is None:
            return column_origin(child, expression.name)
    return None
