"""Expressions whose equal values print alike though those of their type need not.

``extract(year from t)`` is numeric, a type where 1.0 equals 1.00, but never has a fraction. Of
numeric(7, 2) all values have two decimals, and so have their sums and differences, though 0.0 may
stand in for one that is missing.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgtrickle.delta.column_types import INTEGERS, type_of
from pgtrickle.query.algebra import (
    Aggregate,
    Filter,
    Join,
    MarkJoin,
    Node,
    OuterJoin,
    Project,
    Replicate,
    Scan,
    SemiJoin,
    Shared,
    UnionAll,
    walk_nodes,
)
from pgtrickle.query.expression import (
    Call,
    Case,
    Cast,
    Column,
    Expression,
    Literal,
    Operator,
    SqlFunction,
)

WHOLE_FIELDS = frozenset(
    f"'{field}'"
    for field in (
        *("millennium", "century", "decade", "year", "isoyear", "quarter", "month", "week"),
        *("day", "dow", "isodow", "doy", "hour", "minute"),
    )
)

Scales = tuple[int, int]
"""The least and the most decimals that values print with."""


def prints_one_way(expression: Expression, child: Node) -> bool:
    """Whether equal values of `expression`, over the attributes of `child`, print alike."""
    found = scales(expression, child)
    return (found is not None and found[0] == found[1]) or _is_whole(expression, child)


def _is_whole(expression: Expression, child: Node) -> bool:
    match expression:
        case Call(name=("extract",) | ("pg_catalog", "extract"), arguments=(field, _)):
            return isinstance(field.value, Literal) and field.value.sql.lower() in WHOLE_FIELDS
        case Column(relation=None, name=name):
            return any(
                _is_whole(computed, node.child)
                for node in walk_nodes(child)
                if isinstance(node, Project)
                for attribute, computed in node.items
                if attribute.id == name
            )
    return False


def scales(expression: Expression | None, child: Node) -> Scales | None:
    """The decimals of numeric values; None where they are not known, or of another type.

    As PostgreSQL computes them: a sum has the most of both, a product all. NULL has none and
    prints one way, as NaN does.
    """
    match expression:
        case Column(relation=None, name=name):
            return _of_attribute(child, name)
        case Literal(sql=sql):
            return _of_literal(sql)
        case Cast(operand=operand, type=type) if type.sql == "numeric":
            return (0, 0) if type_of(operand, child) in INTEGERS else scales(operand, child)
        case Operator(name=("+",) | ("-",), left=Expression() as left, right=right):
            a, b = scales(left, child), scales(right, child)
            return None if a is None or b is None else (max(a[0], b[0]), max(a[1], b[1]))
        case Operator(name=("*",), left=Expression() as left, right=right):
            a, b = scales(left, child), scales(right, child)
            return None if a is None or b is None else (a[0] + b[0], a[1] + b[1])
        case SqlFunction("COALESCE", arguments):
            return _any_of(scales(each, child) for each in arguments if not _is_null(each))
        case Case(branches=branches, otherwise=otherwise):
            values = [value for _, value in branches]
            values += [otherwise] if otherwise is not None else []
            return _any_of(scales(each, child) for each in values if not _is_null(each))
    return None


def _is_null(expression: Expression) -> bool:
    match expression:
        case Cast(operand=operand):
            return _is_null(operand)
        case Literal(sql=sql):
            return sql.upper() == "NULL"
    return False


def _of_literal(sql: str) -> Scales | None:
    """Of ``12.50``, which is numeric; ``12`` is an integer, and there may be no decimals in 1e3."""
    whole, point, decimals = sql.partition(".")
    if not point or not (whole + decimals).isdigit():
        return None
    return len(decimals), len(decimals)


def _of_attribute(node: Node, id: str) -> Scales | None:
    match node:
        case Scan():
            name = next((name for each, name in node.columns if each.id == id), None)
            scale = dict(node.scales).get(name or "")
            return None if scale is None else (scale, scale)
        case Project():
            computed = {attribute.id: expression for attribute, expression in node.items}
            return scales(computed.get(id), node.child)
        case UnionAll():
            at = node.ids.index(id)
            return _any_of(_of_attribute(each, each.ids[at]) for each in node.branches)
        case Filter() | Join() | OuterJoin() | SemiJoin() | MarkJoin() | Shared() | Replicate():
            below = next((each for each in node.children if id in each.ids), None)
            return None if below is None else _of_attribute(below, id)
        case Aggregate():
            keys = {attribute.id: expression for attribute, expression in node.keys}
            return scales(keys.get(id), node.child)
    return None


def _any_of(found: Iterator[Scales | None]) -> Scales | None:
    known = list(found)
    sure = [each for each in known if each is not None]
    if not sure or len(sure) < len(known):
        return None
    return min(low for low, _ in sure), max(high for _, high in sure)
