"""Built-in types of expressions over tables: of their columns, and of what keeps or names a type.

What operators must know of all types they meet, PostgreSQL is asked for (`delta.types`). This is
known at any place of a tree, without asking, for numbers and times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pgtrickle.query.algebra import Aggregate, Node, Project, Scan, UnionAll
from pgtrickle.query.expression import (
    Call,
    Cast,
    Column,
    Expression,
    Literal,
    Operator,
    SqlFunction,
)

INT8, INT2, INT4, FLOAT4, FLOAT8, NUMERIC = 20, 21, 23, 700, 701, 1700
DATE, TIMESTAMP, TIMESTAMPTZ = 1082, 1114, 1184

BOOL, TEXT, VARCHAR, UUID = 16, 25, 1043, 2950

INTEGERS = frozenset({INT2, INT4, INT8})
NUMBERS = INTEGERS | {NUMERIC}
"""Numbers that are exact."""
HASHED = NUMBERS | {FLOAT4, FLOAT8, DATE, TIMESTAMP, TIMESTAMPTZ, BOOL, TEXT, VARCHAR, UUID}
"""Some types that have a hash function, by which values that differ in it are unequal."""

NAMED = {
    "smallint": INT2,
    "integer": INT4,
    "bigint": INT8,
    "numeric": NUMERIC,
    "real": FLOAT4,
    "double precision": FLOAT8,
    "date": DATE,
    "timestamp without time zone": TIMESTAMP,
    "timestamp with time zone": TIMESTAMPTZ,
}
MODIFIER = re.compile(r"\(\d+(,\s*-?\d+)?\)")
ARITHMETIC = frozenset({("+",), ("-",), ("*",), ("/",)})


def type_of(expression: Expression | None, node: Node) -> int | None:
    """The OID of the built-in type of `expression` over the attributes of `node`.

    None where it is not known, as for most of what is no number and no time.
    """
    match expression:
        case Column(relation=None, name=name):
            return _of_attribute(name, node)
        case Literal(sql=sql):
            return _of_literal(sql)
        case Cast(type=type):
            return NAMED.get(MODIFIER.sub("", type.sql))
        case Call(name=("date_trunc",), arguments=(_, moment)):
            found = type_of(moment.value, node)
            return found if found in (TIMESTAMP, TIMESTAMPTZ) else None
        case SqlFunction(keyword="COALESCE", arguments=arguments):
            return _one_of(type_of(each, node) for each in arguments)
        case Operator(name=name, left=Expression() as left, right=right) if name in ARITHMETIC:
            return _of_arithmetic(type_of(left, node), type_of(right, node))
    return None


def _of_arithmetic(left: int | None, right: int | None) -> int | None:
    if left not in NUMBERS or right not in NUMBERS:
        return None
    return max(left, right, key=(INT2, INT4, INT8, NUMERIC).index)


def _of_literal(sql: str) -> int | None:
    whole, point, decimals = sql.partition(".")
    if not (whole + decimals).isdigit():
        return None
    if point:
        return NUMERIC
    return next((oid for oid, bits in ((INT4, 31), (INT8, 63)) if int(whole) < 2**bits), NUMERIC)


def _of_attribute(id: str, node: Node) -> int | None:
    match node:
        case Scan():
            name = next((name for each, name in node.columns if each.id == id), None)
            return dict(node.types).get(name or "")
        case Project() | Aggregate():
            items = node.items if isinstance(node, Project) else node.keys
            computed = {attribute.id: expression for attribute, expression in items}
            return type_of(computed.get(id), node.child)
        case UnionAll():
            at = node.ids.index(id)
            return _one_of(_of_attribute(each.ids[at], each) for each in node.branches)
    below = next((each for each in node.children if id in each.ids), None)
    return None if below is None else _of_attribute(id, below)


def _one_of(found: Iterable[int | None]) -> int | None:
    """The type that all have (a union, say, may be of a wider one than its branches)."""
    types = set(found)
    return types.pop() if len(types) == 1 else None
