"""JSON_VALUE(... RETURNING json) and RETURNING jsonb, which PostgreSQL 17 and 18 evaluate wrongly.

Where it has a value, the server does not note that this is not null: the value is null where what
was evaluated in its place before was (seen in 18.6). So the rows of such a query depend on their
order, and there is nothing that a table could stay equal to. Whether a server does so is asked.
"""

from __future__ import annotations

import re

from pgtrickle.database import Session
from pgtrickle.query.expression import Template
from pgtrickle.query.lowering import NotIncremental
from pgtrickle.query.statement import Query
from pgtrickle.query.traverse import expressions

_RETURNS_JSON = re.compile(r' RETURNING ("?pg_catalog"?\.)?"?jsonb?"?(?![\w"\[])')


def check_json_values(session: Session, query: Query) -> None:
    """Raise NotIncremental for a JSON_VALUE that the server may forget not to be null."""
    if any(_returns_json(each) for each in expressions(query)) and _forgets(session):
        raise NotIncremental(
            "json_value(... returning json)",
            "this PostgreSQL gives null for it after a row for which it is null;"
            " json_query gives the value",
        )


def _returns_json(expression: object) -> bool:
    return (
        isinstance(expression, Template)
        and expression.construct == "JSON_VALUE"
        and any(isinstance(part, str) and _RETURNS_JSON.search(part) for part in expression.parts)
    )


def _forgets(session: Session) -> bool:
    """Whether this server takes the value for null where its place was null before."""
    ((image,),) = session.rows("select row(json_value('1'::jsonb, '$' returning jsonb))::text")
    return bool(image != "(1)")
