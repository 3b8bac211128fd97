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
    Node,
    QueryTooDeep,
    UnsupportedSyntax,
    raw_statements,
)
from pgtrickle.query.parse.statements import query, statement_name
from pgtrickle.query.statement import Query

__all__ = ["InvalidSyntax", "QueryTooDeep", "UnsupportedSyntax", "check_one_select", "parse"]


def parse(sql: str) -> Query:
    """Parse one SELECT, set operation or VALUES into our tree.

    Raises InvalidSyntax, UnsupportedSyntax or QueryTooDeep.
    """
    node = _one_select(sql)
    try:
        return query(node)
    except RecursionError:
        raise QueryTooDeep from None


def check_one_select(sql: str) -> None:
    """Refuse a text that is not exactly one SELECT, set operation or VALUES.

    Raises InvalidSyntax, UnsupportedSyntax or QueryTooDeep. What stands inside is not looked at.
    """
    node = _one_select(sql)
    if node.has("intoClause"):
        raise UnsupportedSyntax("SELECT INTO")


def _one_select(sql: str) -> Node:
    statements = raw_statements(sql)
    if not statements:
        raise UnsupportedSyntax("an empty text")
    if len(statements) != 1:
        raise UnsupportedSyntax("anything but one statement")
    if statements[0].kind != "SelectStmt":
        raise UnsupportedSyntax(statement_name(statements[0]))
    return statements[0]
