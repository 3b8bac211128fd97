"""UNION, INTERSECT and EXCEPT, as unions and counts.

Both sides are united with a tag, and their rows counted by side. With l and r copies of a row,

    INTERSECT      l > 0 and r > 0        INTERSECT ALL   least(l, r) copies
    EXCEPT         l > 0 and r = 0        EXCEPT ALL      l - r copies
"""

from __future__ import annotations

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import (
    Aggregate,
    Attribute,
    Filter,
    Node,
    Project,
    Replicate,
    UnionAll,
)
from pgtrickle.query.expression import And, Call, Expression, Literal, Operator, SqlFunction
from pgtrickle.query.lowering.attributes import Attributes


def combine(query: s.SetOperation, left: Node, right: Node, attributes: Attributes) -> Node:
    """The set operation of two relations."""
    if query.operation == "UNION":
        union = UnionAll((left, right), _outputs(left, right, attributes))
        return union if query.all else _distinct(union, attributes)
    tag = attributes.new(not_null=True)
    united = UnionAll(
        (_tagged(left, 1, attributes), _tagged(right, 2, attributes)),
        (*_outputs(left, right, attributes), tag),
    )
    numbers = attributes.new(not_null=True), attributes.new(not_null=True)
    counts = tuple(
        (number, Call(("count",), star=True, filter=_compare(tag, "=", side)))
        for number, side in zip(numbers, ("1", "2"), strict=True)
    )
    keys = tuple(
        (attributes.new(column.not_null), column.reference) for column in united.attributes[:-1]
    )
    counted = Aggregate(united, keys, counts, construct=query.operation)
    chosen = _chosen(query, counted, *numbers)
    outputs = tuple((attributes.new(key.not_null), key.reference) for key, _ in keys)
    return Project(chosen, outputs)


def _chosen(query: s.SetOperation, counted: Node, left: Attribute, right: Attribute) -> Node:
    l, r = left.reference, right.reference  # noqa: E741 - as in the docstring
    match (query.operation, query.all):
        case ("INTERSECT", False):
            return Filter(counted, And((_compare(left, ">", "0"), _compare(right, ">", "0"))))
        case ("EXCEPT", False):
            return Filter(counted, And((_compare(left, ">", "0"), _compare(right, "=", "0"))))
        case ("INTERSECT", True):
            return Replicate(counted, SqlFunction("LEAST", (l, r)))
    return Replicate(counted, Operator(("-",), l, r))


def _compare(attribute: Attribute, operator: str, value: str) -> Expression:
    return Operator((operator,), attribute.reference, Literal(value))


def _tagged(node: Node, tag: int, attributes: Attributes) -> Node:
    items = tuple((attributes.new(a.not_null), a.reference) for a in node.attributes)
    mark = (attributes.new(not_null=True), Literal(str(tag)))
    return Project(node, (*items, mark))


def _outputs(left: Node, right: Node, attributes: Attributes) -> tuple[Attribute, ...]:
    return tuple(
        attributes.new(a.not_null and b.not_null)
        for a, b in zip(left.attributes, right.attributes, strict=True)
    )


def _distinct(node: Node, attributes: Attributes) -> Node:
    keys = tuple((attributes.new(a.not_null), a.reference) for a in node.attributes)
    return Aggregate(node, keys, (), construct="DISTINCT")
