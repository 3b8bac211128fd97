"""What must hold of any text at all that is read as a query, without a server."""

from __future__ import annotations

from pgtrickle.errors import PgTrickleError
from pgtrickle.query.parse import parse
from pgtrickle.query.render import render


def check(text: str) -> bool:
    """Whether the text is a query. One that is prints as text that stands for itself; one that
    is not is refused with an explanation."""
    try:
        tree = parse(text)
    except PgTrickleError as refused:
        if not str(refused):
            raise AssertionError(text) from refused
        return False
    # Once is not enough: (a AND b) AND c is one AND of three to PostgreSQL's grammar.
    again = parse(render(tree))
    printed = render(again)
    assert parse(printed) == again, (text, printed)
    return True
