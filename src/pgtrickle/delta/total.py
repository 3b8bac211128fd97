"""Expressions that have a value for every row there may be: none of them raises an error.

PostgreSQL computes what a query selects of joined rows, and ``1 / x`` of no others. What is
computed of rows before it is known whether they join must not fail.

For values that hardly anybody stores it may: products that overflow, dates millennia before Christ
or after. Where such a row joins nothing its delta fails, and the table is recomputed.
"""

from __future__ import annotations

from collections.abc import Mapping

from pgtrickle.delta.column_types import (
    DATE,
    FLOAT4,
    FLOAT8,
    INT2,
    INT4,
    INTEGERS,
    NUMBERS,
    TIMESTAMP,
    TIMESTAMPTZ,
    type_of,
)
from pgtrickle.query.algebra import (
    Aggregate,
    Constant,
    Node,
    Project,
    Recursion,
    Scan,
    TopN,
    UnionAll,
    Window,
)
from pgtrickle.query.expression import (
    And,
    Call,
    Case,
    Cast,
    Column,
    Comparison,
    DistinctFrom,
    Expression,
    Is,
    Literal,
    Not,
    Operator,
    Or,
    SqlFunction,
)
from pgtrickle.query.missing import COMPARISONS
from pgtrickle.query.pruning import columns_of

OF_TIMES = frozenset({("date_trunc",), ("date_part",), ("pg_catalog", "extract")})
"""PostgreSQL's own functions of a field's name and a time: they fail for names."""

READ_ONCE = frozenset(
    {
        *("boolean", "smallint", "integer", "bigint", "numeric", "real", "double precision"),
        *(
            "text",
            "character varying",
            "bpchar",
            "uuid",
            "date",
            "interval",
            "time without time zone",
        ),
        *("timestamp without time zone", "timestamp with time zone"),
    }
)
"""Types of constants, which PostgreSQL reads when it plans; a domain is asked row by row."""

CASTS: Mapping[str, frozenset[int]] = {
    "date": frozenset({DATE, TIMESTAMP, TIMESTAMPTZ}),
    "timestamp without time zone": frozenset({DATE, TIMESTAMP, TIMESTAMPTZ}),
    "timestamp with time zone": frozenset({DATE, TIMESTAMP, TIMESTAMPTZ}),
    "integer": frozenset({INT2, INT4}),
    "bigint": INTEGERS,
    "numeric": NUMBERS,
    "double precision": INTEGERS | {FLOAT4, FLOAT8},
}
"""Types that are cast to without fail, by the type that is cast to."""


def is_total(expression: Expression, node: Node) -> bool:
    """Whether `expression`, over the attributes of `node`, has a value for every row.

    Columns and constants, what compares them by PostgreSQL's own operators, conditions made of
    such, arithmetic of exact numbers, parts of a time, and casts to types that hold all values.
    """

    def total(part: Expression) -> bool:
        return is_total(part, node)

    match expression:
        case Column(relation=None, name=name):
            return _has_values(name, node)
        case Literal():
            return True
        case Cast(operand=Literal(), type=type):
            return type.sql in READ_ONCE
        case Cast(operand=operand, type=type):
            fits = type.sql == "text" or type_of(operand, node) in CASTS.get(type.sql, ())
            return fits and total(operand)
        case And(operands=operands) | Or(operands=operands):
            return all(total(each) for each in operands)
        case Not(operand=operand) | Is(operand=operand):
            return total(operand)
        case DistinctFrom(left=left, right=right):
            return total(left) and total(right)
        case Comparison(left=left, operator=name, array=Cast(operand=Literal())):
            return name in COMPARISONS and total(left)
        case Comparison(left=left, operator=name, array=SqlFunction("ARRAY", elements)):
            return name in COMPARISONS and all(total(e) for e in (left, *elements))
        case SqlFunction(keyword="COALESCE", arguments=arguments):
            return all(total(each) for each in arguments)
        case Call(name=name, arguments=(field, moment)) if name in OF_TIMES:
            return not columns_of(field.value) and total(moment.value)
        case Case(operand=operand, branches=branches, otherwise=otherwise):
            parts = [operand, otherwise, *(each for branch in branches for each in branch)]
            return all(total(each) for each in parts if each is not None)
        case Operator(name=("/",), left=Expression() as left, right=right):
            return type_of(expression, node) in NUMBERS and total(left) and _divides(right)
        case Operator(name=name, left=Expression() as left, right=right):
            known = name in COMPARISONS or type_of(expression, node) in NUMBERS
            return known and total(left) and total(right)
    return False


def _divides(divisor: Expression) -> bool:
    """Whether it is a constant above zero, be it rounded to a whole number."""
    least = 0.0
    while isinstance(divisor, Cast):
        divisor, least = divisor.operand, 1.0
    known = isinstance(divisor, Literal) and divisor.sql.replace(".", "", 1).isdigit()
    return (
        known
        and isinstance(divisor, Literal)
        and float(divisor.sql) > 0
        and float(divisor.sql) >= least
    )


def _has_values(id: str, node: Node) -> bool:
    """Whether an attribute is known to have a value for every row, where it is computed below."""
    match node:
        case Scan() | Constant() | Aggregate() | Recursion():
            return True  # what an aggregate gives is kept
        case Project():
            computed = {attribute.id: expression for attribute, expression in node.items}
            return id in computed and is_total(computed[id], node.child)
        case UnionAll():
            at = node.ids.index(id)
            return all(_has_values(each.ids[at], each) for each in node.branches)
        case Window() | TopN() if id not in node.child.ids:
            return True
    below = next((each for each in node.children if id in each.ids), None)
    return below is not None and _has_values(id, below)
