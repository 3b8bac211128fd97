"""VALUES: a relation that never changes, or, of subqueries, one beside what these contribute."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import Attribute, Constant, Expand, Node, Project
from pgtrickle.query.expression import Column, Expression, Literal, SortKey, Sublink
from pgtrickle.query.lowering import subqueries
from pgtrickle.query.lowering.environment import Environment, Lowered
from pgtrickle.query.lowering.scope import Scope
from pgtrickle.query.lowering.targets import column_names
from pgtrickle.query.moments import at_frontier
from pgtrickle.query.render import quote_identifier, render_expression
from pgtrickle.query.traverse import transform


def lower_values(query: s.Values, environment: Environment) -> Lowered:
    """VALUES that reads nothing around it, without its order and limit. Raises NotIncremental."""
    if any(subqueries.has_sublink(each) for row in query.rows for each in row):
        one_row = Constant("SELECT", (), single=True)
        node, outputs = beside_values(query, one_row, Scope(), environment)
        items = tuple((a, a.reference) for a in outputs)
        return Lowered(Project(node, items), column_names(query))
    rows = [[Scope().resolve(expression) for expression in row] for row in query.rows]
    attributes = tuple(environment.attributes.new() for _ in rows[0])
    columns = ", ".join(quote_identifier(a.id) for a in attributes)
    now, then = (
        "SELECT {0} FROM (VALUES {1}) AS v ({0})".format(
            columns, ", ".join(f"({', '.join(map(render_expression, row))})" for row in each)
        )
        for each in (rows, [[at_frontier(e) for e in row] for row in rows])
    )
    node = Constant(now, attributes, len(rows) == 1, then if then != now else None)
    return Lowered(node, column_names(query))


def beside_values(
    query: s.Values, node: Node, scope: Scope, environment: Environment
) -> tuple[Node, tuple[Attribute, ...]]:
    """`node` with the rows of VALUES for each of its rows, and the columns of these."""

    def attached(sublink: Sublink) -> Expression:
        nonlocal node
        node, value = subqueries.attach(node, scope, sublink, environment)
        return value

    rows = tuple(tuple(scope.resolve(each, attached) for each in row) for row in query.rows)
    outputs = tuple(environment.attributes.new() for _ in rows[0])
    alias = s.Alias("f", tuple(attribute.id for attribute in outputs))
    values = replace(query, rows=rows, order_by=(), limit=None, offset=None)
    return Expand(node, s.Derived(values, alias, lateral=True), outputs), outputs


def with_numbered_orders(query: s.Query) -> s.Query:
    """`query` with VALUES ordered by the numbers of columns, which canonical text names."""

    def numbered(key: SortKey, names: tuple[str, ...]) -> SortKey:
        match key.expression:
            case Column(relation="*VALUES*", name=name) if name in names:
                return replace(key, expression=Literal(str(names.index(name) + 1)))
        return key

    def replaced(node: Any) -> Any:
        if not isinstance(node, s.Values) or not node.order_by:
            return node
        names = column_names(node)
        return replace(node, order_by=tuple(numbered(key, names) for key in node.order_by))

    return transform(query, replaced)
