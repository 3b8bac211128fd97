"""Text that says 'now' or 'today', read as a time: it reads the clock.

PostgreSQL reads such a string at once where it is a constant of a type of time: ``date 'today'`` is
the day on which the query was written, as in a view. A text that is cast is read whenever the query
runs. Where the query itself holds the text, it is recognised here and the query is recomputed.
"""

from __future__ import annotations

import re

from pgtrickle.database import Session
from pgtrickle.query.expression import Cast, Column, Expression, Literal
from pgtrickle.query.lowering import NotIncremental
from pgtrickle.query.render import render_expression
from pgtrickle.query.rendition import InvalidQuery, columns_of_query
from pgtrickle.query.statement import Query
from pgtrickle.query.traverse import expressions

_OF_TIME = re.compile(r'"?(date|time|timetz|timestamp|timestamptz|tsrange|tstzrange|daterange)\b')
_READS_CLOCK = re.compile(r"now|today|tomorrow|yesterday", re.IGNORECASE)
_TEXT = re.compile(r"(text|character varying|character|name)\b")


def check_clock(session: Session, query: Query) -> None:
    """Raise NotIncremental for a text of the query's own that may be read as today's date."""
    for each in expressions(query):
        if (
            isinstance(each, Cast)
            and _OF_TIME.match(each.type.sql)
            and _may_be_text(each)
            and not _is_of_time(session, each.operand)
        ):
            raise NotIncremental(
                f"cast to {each.type.sql}", "of a text that may say 'now' or 'today'"
            )


def _is_of_time(session: Session, expression: Expression) -> bool:
    """Whether what is cast is a time already, as date_trunc('month', now()) is: no text is read.

    Asked of PostgreSQL, and only where the expression holds a text. What stands for more than the
    expression says, a WITH query for one, it cannot tell.
    """
    try:
        (column,) = columns_of_query(session, f"SELECT {render_expression(expression)} AS value")
    except InvalidQuery:
        return False
    return _OF_TIME.match(column.type) is not None


def _may_be_text(cast: Cast) -> bool:
    """Whether what is cast is a text put together of constants, not known to be harmless."""
    inside = list(expressions(cast.operand))
    strings = [each.sql for each in inside if isinstance(each, Literal) and "'" in each.sql]
    if not strings or any(isinstance(each, Column) for each in inside):
        return False
    match cast.operand:
        case Literal():
            return False  # a constant, read already
        case Cast(operand=Literal(sql=sql), type=type) if _TEXT.match(type.sql):
            return bool(_READS_CLOCK.search(sql))
        case Cast(operand=Literal()):
            return False
    return True
