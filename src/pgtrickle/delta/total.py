"""Expressions that have a value for every row there may be: none of them raises an error.

PostgreSQL computes what a query selects of joined rows, and ``1 / x`` of no others. What is
computed of rows before it is known whether they join must not fail.
"""

from __future__ import annotations

from pgtrickle.delta.images import scales
from pgtrickle.query.algebra import Node
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
"""PostgreSQL's own functions of a field's name and a time, which fail for a name alone."""
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


def is_total(expression: Expression, node: Node) -> bool:
    """Whether `expression`, over the attributes of `node`, is known to have a value for every row.

    Columns and constants, what compares them by PostgreSQL's own operators, conditions made of
    such, arithmetic of numerics whose columns bound their digits, and parts of a time.
    """
    match expression:
        case Column() | Literal():
            return True
        case Cast(operand=Literal(), type=type):
            return type.sql in READ_ONCE
        case Cast(operand=operand, type=type):
            return type.sql == "text" and is_total(operand, node)
        case And(operands=operands) | Or(operands=operands):
            return all(is_total(each, node) for each in operands)
        case Not(operand=operand) | Is(operand=operand):
            return is_total(operand, node)
        case DistinctFrom(left=left, right=right):
            return is_total(left, node) and is_total(right, node)
        case Comparison(left=left, operator=name, array=Cast(operand=Literal())):
            return name in COMPARISONS and is_total(left, node)
        case Comparison(left=left, operator=name, array=SqlFunction("ARRAY", elements)):
            return name in COMPARISONS and all(is_total(e, node) for e in (left, *elements))
        case SqlFunction(keyword="COALESCE", arguments=arguments):
            return all(is_total(each, node) for each in arguments)
        case Call(name=name, arguments=(field, moment)) if name in OF_TIMES:
            return not columns_of(field.value) and is_total(moment.value, node)
        case Case(operand=operand, branches=branches, otherwise=otherwise):
            parts = [operand, otherwise, *(each for branch in branches for each in branch)]
            return all(is_total(each, node) for each in parts if each is not None)
        case Operator(name=name, left=Expression() as left, right=right):
            known = name in COMPARISONS or scales(expression, node) is not None
            return known and is_total(left, node) and is_total(right, node)
    return False
