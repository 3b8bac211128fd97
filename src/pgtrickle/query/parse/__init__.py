"""SQL text to our tree.

The tree follows PostgreSQL's raw grammar closely, so that printing it again
(`pgtrickle.query.render`) gives PostgreSQL the same query. A few spellings that mean the same
to PostgreSQL share one form: BETWEEN is its comparisons, ``= ANY (subquery)`` is IN, LIKE is
its operator, an implicit row is ROW(...). Nothing is ever left out: a construct without a place
in the tree raises UnsupportedSyntax.
"""

from __future__ import annotations

from pgtrickle.query.parse import sqljson, xml  # noqa: F401  (they register their readers)
from pgtrickle.query.parse.raw import (
    InvalidSyntax,
    QueryTooDeep,
    UnsupportedSyntax,
    raw_statements,
)
from pgtrickle.query.parse.statements import query
from pgtrickle.query.statement import Query

__all__ = ["InvalidSyntax", "QueryTooDeep", "UnsupportedSyntax", "parse"]


def parse(sql: str) -> Query:
    """Parse one SELECT, set operation or VALUES into our tree.

    Raises InvalidSyntax, UnsupportedSyntax or QueryTooDeep.
    """
    statements = raw_statements(sql)
    if len(statements) != 1:
        raise UnsupportedSyntax("anything but one statement")
    try:
        return query(statements[0])
    except RecursionError:
        raise QueryTooDeep from None
