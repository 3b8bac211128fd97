"""Whole rows as values: ``row_to_json(t)``, ``count(t)``, ``select t``.

The row of a FROM item becomes a column of it, so that outer joins make it NULL where the item has
no row, which is another value than a row of NULLs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import Attribute, Node, Project
from pgtrickle.query.expression import (
    Cast,
    Expression,
    SqlFunction,
    Template,
    TypeName,
    WholeRow,
)
from pgtrickle.query.lowering.environment import Environment
from pgtrickle.query.lowering.rewriting import rewrite
from pgtrickle.query.lowering.scope import Scope
from pgtrickle.query.names import quote_identifier

CONSTRUCT = "whole row"


def whole_rows_in(query: s.Query) -> frozenset[str]:
    """Names of the FROM items that a query, or a subquery in it, uses the whole row of."""
    found = set()

    def look(each: Expression) -> None:
        if isinstance(each, WholeRow):
            found.add(each.relation)

    rewrite(query, look)
    return frozenset(found)


def is_whole_row(expression: Expression) -> bool:
    """Whether an expression is the row of a FROM item."""
    match expression:
        case Template(construct=construct):
            return construct == CONSTRUCT
        case Cast(operand=SqlFunction(keyword="ROW")):
            return True
    return False


def with_whole_row(
    node: Node, scope: Scope, name: str, environment: Environment, type: str = ""
) -> tuple[Node, Scope]:
    """`node` with the row of the item `name` as a column more, if the block uses it.

    `type` is the name of the row's type, '' where it has none but its columns have names.
    """
    if name not in environment.whole_rows or name not in scope.relations:
        return node, scope
    columns = scope.relations[name]
    values = {column: attribute.reference for column, attribute in columns.items()}
    row = _of_type(columns, type) if type else row_of(values)
    attribute = environment.attributes.new(not_null=True)
    kept = tuple((each, each.reference) for each in node.attributes)
    whole = scope.whole | {name: attribute}
    return Project(node, (*kept, (attribute, row))), replace(scope, whole=whole)


def row_of(values: Mapping[str, Expression]) -> Expression:
    """A record whose fields have names, as JSON shows them."""
    parts: list[str | Expression] = []
    for name, value in values.items():
        parts += [", "] if parts else []
        parts += [value, f" AS {quote_identifier(name)}"]
    return Template(CONSTRUCT, ("(SELECT __row FROM (SELECT ", *parts, ") AS __row)"))


def _of_type(columns: dict[str, Attribute], type: str) -> Expression:
    values = tuple(attribute.reference for attribute in columns.values())
    return Cast(SqlFunction("ROW", values), TypeName(type))
