"""The moment a query is evaluated at: now() and its kin, which move with no change of data.

All of them are functions of the beginning of the transaction, or of the statement. Those of the
last refresh are kept with the stream table, and are parameters of every delta: what an expression
was at the frontier is the expression with each moment replaced by its parameter.
"""

from __future__ import annotations

from typing import TypeVar

from pgtrickle.query.expression import (
    Argument,
    AtTimeZone,
    Call,
    Cast,
    Expression,
    Literal,
    Operator,
    SqlFunction,
    Template,
)
from pgtrickle.query.lowering.rewriting import rewrite

FORMER_TRANSACTION = "$4"
FORMER_STATEMENT = "$5"
"""Parameters of a delta: transaction_timestamp() and statement_timestamp() of the last refresh."""

TRANSACTION = frozenset({("now",), ("transaction_timestamp",)})
STATEMENT = frozenset({("statement_timestamp",)})

_TYPES = {
    "CURRENT_DATE": "date",
    "CURRENT_TIME": "time{} with time zone",
    "CURRENT_TIMESTAMP": "timestamp{} with time zone",
    "LOCALTIME": "time{} without time zone",
    "LOCALTIMESTAMP": "timestamp{} without time zone",
}
KEYWORDS = frozenset(_TYPES)

T = TypeVar("T")


def reads_moment(value: object) -> bool:
    """Whether an expression (or a tuple of some) reads the moment it is evaluated at."""
    found = False

    def look(each: Expression) -> Expression | None:
        nonlocal found
        found = found or _former(each) is not None
        return each if found else None

    rewrite(value, look)
    return found


def is_moment(expression: Expression) -> bool:
    """Whether an expression is a moment, and nothing more."""
    return _former(expression) is not None


def at_frontier(value: T) -> T:
    """`value` as it was at the last refresh, given the same rows."""
    return rewrite(value, _former)


def with_moments(value: T) -> T:
    """`value` with ``age(x)`` written as what it means: ``age(CURRENT_DATE, x)``."""

    def replaced(each: Expression) -> Expression | None:
        match each:
            case Call(name=("age",), arguments=(born,)):
                today = Argument(SqlFunction("CURRENT_DATE"))
                return Call(("age",), (today, with_moments(born)))
        return None

    return rewrite(value, replaced)


def is_fixed_step(expression: Expression) -> bool:
    """Whether an expression is a moment, moved or rounded by constants: it is never NULL then."""
    match expression:
        case Operator(name=("+",) | ("-",), left=Expression() as left, right=right):
            return is_fixed_step(left) and _is_constant(right)
        case Cast(operand=operand) | AtTimeZone(operand=operand, zone=Literal()):
            return is_fixed_step(operand)
        case Call(name=("date_trunc",), arguments=(field, moment, *_)):
            return _is_constant(field.value) and is_fixed_step(moment.value)
        case Call(name=("timezone",), arguments=(zone, moment)):
            return _is_constant(zone.value) and is_fixed_step(moment.value)
    return is_moment(expression)


def _is_constant(expression: Expression) -> bool:
    match expression:
        case Cast(operand=operand):
            return _is_constant(operand)
        case Literal(sql=sql):
            return sql.upper() != "NULL"
    return False


def _former(expression: Expression) -> Expression | None:
    """What a moment was at the last refresh; None for any other expression."""
    match expression:
        case Call(name=name, arguments=()) if name in TRANSACTION:
            return Template("moment", (FORMER_TRANSACTION,))
        case Call(name=name, arguments=()) if name in STATEMENT:
            return Template("moment", (FORMER_STATEMENT,))
        case SqlFunction(keyword=keyword, precision=precision) if keyword in KEYWORDS:
            digits = "" if precision is None else f"({precision})"
            type = _TYPES[keyword].format(digits)
            return Template("moment", (f"({FORMER_TRANSACTION}::{type})",))
    return None
