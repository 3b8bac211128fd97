"""What aggregates are over no rows, where an outer join found no group.

Most are NULL, as the outer join says by itself; a few of PostgreSQL's have a value of their own.
Those that users wrote may have one that PostgreSQL tells: that of the call over an empty relation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from pgtrickle.query.algebra import Aggregate
from pgtrickle.query.expression import (
    Argument,
    Call,
    Case,
    Column,
    Expression,
    Is,
    Literal,
    SqlFunction,
    Template,
)
from pgtrickle.query.lowering.facts import Facts
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.rewriting import rewrite
from pgtrickle.query.pruning import columns_of
from pgtrickle.query.render import render_expression

ROWS = Call(("count",), star=True)
"""The aggregate that tells whether there is a group."""
OVER_NO_ROWS = {
    "count": "0",
    "regr_count": "0",
    "rank": "1",
    "dense_rank": "1",
    "percent_rank": "0",
    "cume_dist": "1",
}
"""PostgreSQL's aggregates that are not NULL over no rows, and what they are then."""

T = TypeVar("T")


def has_value(call: Call, facts: Facts) -> bool:
    """Whether an aggregate of users' may be something else than NULL over no rows."""
    return len(call.name) > 1 and not facts.is_null_over_no_rows(call.name)


def over_no_rows(value: T, aggregate: Aggregate, facts: Facts) -> T:
    """`value` over an outer join with `aggregate`, as if there were a group of no rows.

    Where an aggregate `has_value`, ROWS must be among the aggregates.
    """
    calls = {attribute.reference: call for attribute, call in aggregate.aggregates}
    rows = next((reference for reference, call in calls.items() if call == ROWS), None)

    def replaced(expression: Expression) -> Expression | None:
        if not isinstance(expression, Column) or expression not in calls:
            return None
        call = calls[expression]
        if len(call.name) == 1 and call.name[0] in OVER_NO_ROWS:
            return SqlFunction("COALESCE", (expression, Literal(OVER_NO_ROWS[call.name[0]])))
        if rows is not None and has_value(call, facts):
            of_nothing = _of_nothing(call, aggregate, facts)
            return Case(None, ((Is(rows, "NULL"), of_nothing),), expression)
        return None

    return rewrite(value, replaced)


def _of_nothing(call: Call, aggregate: Aggregate, facts: Facts) -> Expression:
    """The call over an empty relation, whose columns have the types of its arguments."""
    if call.within_group and columns_of(call.arguments):
        raise NotIncremental(call.name[-1], "its value over no rows differs from row to row")
    plain = () if call.within_group else call.arguments
    read = (*(each.value for each in plain), *(key.expression for key in call.order_by))
    types = facts.types(aggregate.child, read)
    columns = [Column("e", f"x{i}") for i in range(len(read))]
    empty = replace(
        call,
        arguments=tuple(
            Argument(column, each.name, each.variadic)
            for each, column in zip(plain, columns, strict=False)
        )
        or call.arguments,
        order_by=tuple(
            replace(key, expression=column)
            for key, column in zip(call.order_by, columns[len(plain) :], strict=True)
        ),
        filter=None,
    )
    items = ", ".join(
        f"NULL::{type} AS {column.name}" for type, column in zip(types, columns, strict=True)
    )
    text = f"(SELECT {render_expression(empty)} FROM (SELECT {items} WHERE false) AS e)"
    return Template("aggregate of no rows", (text,))
