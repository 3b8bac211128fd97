"""Query blocks become algebra.

A block is, from the inside out: FROM, WHERE, GROUP BY and aggregates, HAVING, select list,
DISTINCT. Set operations combine blocks. ORDER BY without LIMIT says nothing about a table and
is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import (
    Aggregate,
    Attribute,
    Constant,
    Filter,
    Join,
    Node,
    Project,
    UnionAll,
)
from pgtrickle.query.expression import Column, Expression, Field, Literal
from pgtrickle.query.lowering.facts import Facts
from pgtrickle.query.lowering.grouping import group
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.scope import Scope
from pgtrickle.query.lowering.sources import Attributes, Environment, lower_source
from pgtrickle.query.render import quote_identifier, render_expression


@dataclass(frozen=True, slots=True)
class Lowered:
    """A relation and the names of its columns, in order."""

    node: Node
    names: tuple[str, ...]


def lower(query: s.Query, facts: Facts) -> Lowered:
    """Lower a whole query. Raises NotIncremental."""
    return _query(query, Environment(facts, Attributes(), {}, _query))


def _query(query: s.Query, environment: Environment) -> Lowered:
    if query.limit is not None or query.offset is not None:
        raise NotIncremental("LIMIT", "a limited result is recomputed")
    if query.locking:
        raise NotIncremental(query.locking, "row locks have no meaning in a stored table")
    environment = _with_common_tables(query, environment)
    match query:
        case s.Select():
            return _select(query, environment)
        case s.SetOperation():
            return _set_operation(query, environment)
        case s.Values():
            return _values(query, environment)
    raise NotIncremental(type(query).__name__, "it is recomputed")


def _with_common_tables(query: s.Query, environment: Environment) -> Environment:
    """WITH names are lowered anew at each reference, so that attribute ids stay unique."""
    for cte in query.ctes:
        if query.recursive and _mentions(cte.query, cte.name):
            raise NotIncremental("WITH RECURSIVE", "recursive queries are recomputed")
        if cte.tail:
            raise NotIncremental("SEARCH/CYCLE", "recursive queries are recomputed")

        def reference(cte: s.CommonTable = cte, outer: Environment = environment) -> Lowered:
            lowered = _query(cte.query, outer)
            return replace(lowered, names=cte.columns + lowered.names[len(cte.columns) :])

        environment = replace(
            environment, common_tables=environment.common_tables | {cte.name: reference}
        )
    return environment


def _mentions(value: object, name: str) -> bool:
    """Whether a FROM item anywhere inside names `name` without a schema."""
    if isinstance(value, s.Table):
        return value.schema is None and value.name == name
    if isinstance(value, tuple):
        return any(_mentions(item, name) for item in value)
    fields = getattr(type(value), "__dataclass_fields__", None)
    return fields is not None and any(_mentions(getattr(value, field), name) for field in fields)


def _select(query: s.Select, environment: Environment) -> Lowered:
    node, scope = _from(query, environment)
    if query.where is not None:
        node = Filter(node, scope.resolve(query.where))
    if query.windows:
        raise NotIncremental("WINDOW", "window functions are recomputed")
    targets = [scope.resolve(target.expression) for target in query.targets]
    having = None if query.having is None else scope.resolve(query.having)
    node, targets, having = group(query, node, scope, targets, having, environment)
    if having is not None:
        node = Filter(node, having)
    node = Project(
        node, tuple((_output(expression, node, environment), expression) for expression in targets)
    )
    names = tuple(_name(target) for target in query.targets)
    if query.distinct is not None:
        if query.distinct:
            raise NotIncremental("DISTINCT ON", "it is recomputed")
        node = _distinct(node, environment)
    return Lowered(node, names)


def _name(target: s.Target) -> str:
    """A column that keeps its name is printed without AS."""
    if target.alias is not None:
        return target.alias
    match target.expression:
        case Column(name=name) | Field(name=name):
            return name
    return "?column?"


def _from(query: s.Select, environment: Environment) -> tuple[Node, Scope]:
    node: Node | None = None
    scope = Scope()
    for item in query.sources:
        each, names = lower_source(item, environment)
        node = each if node is None else Join(node, each)
        scope += names
    return node or Constant("SELECT", (), single=True), scope


def _output(expression: Expression, node: Node, environment: Environment) -> Attribute:
    """A new attribute for a computed column; NOT NULL where that is plain to see."""
    match expression:
        case Column(name=name):
            by_id = {attribute.id: attribute for attribute in node.attributes}
            return environment.attributes.new(name in by_id and by_id[name].not_null)
        case Literal(sql=sql):
            return environment.attributes.new(sql.upper() != "NULL")
    return environment.attributes.new()


def _distinct(node: Node, environment: Environment) -> Node:
    keys = tuple(
        (environment.attributes.new(attribute.not_null), attribute.reference)
        for attribute in node.attributes
    )
    return Aggregate(node, keys, (), construct="DISTINCT")


def _set_operation(query: s.SetOperation, environment: Environment) -> Lowered:
    if query.operation != "UNION":
        raise NotIncremental(query.operation, "it is recomputed")
    left = _query(query.left, environment)
    right = _query(query.right, environment)
    outputs = tuple(
        environment.attributes.new(a.not_null and b.not_null)
        for a, b in zip(left.node.attributes, right.node.attributes, strict=True)
    )
    node: Node = UnionAll((left.node, right.node), outputs)
    if not query.all:
        node = _distinct(node, environment)
    return Lowered(node, left.names)


def _values(query: s.Values, environment: Environment) -> Lowered:
    rows = [[Scope().resolve(expression) for expression in row] for row in query.rows]
    attributes = tuple(environment.attributes.new() for _ in rows[0])
    columns = ", ".join(quote_identifier(a.id) for a in attributes)
    text = ", ".join(f"({', '.join(render_expression(e) for e in row)})" for row in rows)
    names = tuple(f"column{i}" for i in range(1, len(attributes) + 1))
    return Lowered(
        Constant(
            f"SELECT {columns} FROM (VALUES {text}) AS v ({columns})",
            attributes,
            single=len(rows) == 1,
        ),
        names,
    )
