"""GROUP BY: splits a block's expressions into what is below the aggregation and above it."""

from __future__ import annotations

from collections.abc import Iterable

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import Aggregate, Attribute, Node
from pgtrickle.query.expression import Call, Column, Expression, SqlFunction
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.rewriting import rewrite
from pgtrickle.query.lowering.scope import Scope
from pgtrickle.query.lowering.sources import Environment


def group(
    query: s.Select,
    node: Node,
    scope: Scope,
    targets: list[Expression],
    having: Expression | None,
    environment: Environment,
) -> tuple[Node, list[Expression], Expression | None]:
    """Put an Aggregate above `node` where the block has one.

    Returns the new node, and the targets and HAVING rewritten over its attributes. A column that
    is neither grouped nor aggregated depends on a grouped primary key (PostgreSQL accepts no
    other), so grouping by it too changes nothing.
    """
    builder = _Grouping(node, environment)
    if not query.group_by and having is None and not builder.has_aggregates(targets):
        return node, targets, having
    for item in query.group_by:
        if isinstance(item, s.GroupingSets):
            raise NotIncremental(item.kind or "GROUPING SETS", "it is recomputed")
        builder.add_key(scope.resolve(item))
    builder.dependent_keys = bool(query.group_by)
    above = [builder.above(target) for target in targets]
    having = None if having is None else builder.above(having)
    return builder.node(), above, having


class _Grouping:
    def __init__(self, child: Node, environment: Environment) -> None:
        self._child = child
        self._environment = environment
        self._keys: dict[Expression, Attribute] = {}
        self._aggregates: dict[Call, Attribute] = {}
        self.dependent_keys = False

    def has_aggregates(self, expressions: Iterable[Expression]) -> bool:
        found = False

        def look(expression: Expression) -> Expression | None:
            nonlocal found
            found = found or self._is_aggregate(expression)
            return None

        for expression in expressions:
            rewrite(expression, look)
        return found

    def add_key(self, expression: Expression) -> Attribute:
        if expression not in self._keys:
            not_null = any(
                expression == attribute.reference and attribute.not_null
                for attribute in self._child.attributes
            )
            self._keys[expression] = self._environment.attributes.new(not_null)
        return self._keys[expression]

    def above(self, expression: Expression) -> Expression:
        """`expression` over the aggregate's attributes."""
        return rewrite(expression, self._replace)

    def _replace(self, expression: Expression) -> Expression | None:
        if expression in self._keys:
            return self._keys[expression].reference
        match expression:
            case Call() if self._is_aggregate(expression):
                return self._aggregate(expression).reference
            case SqlFunction(keyword="GROUPING"):
                raise NotIncremental("GROUPING", "it is recomputed")
            case Column() if self.dependent_keys:
                return self.add_key(expression).reference
        return None

    def _aggregate(self, call: Call) -> Attribute:
        if call not in self._aggregates:
            self._aggregates[call] = self._environment.attributes.new(call.name[-1] == "count")
        return self._aggregates[call]

    def _is_aggregate(self, expression: Expression) -> bool:
        if not isinstance(expression, Call):
            return False
        if expression.over is not None:
            raise NotIncremental(
                f"window function {expression.name[-1]}", "window functions are recomputed"
            )
        return self._environment.facts.is_aggregate(expression.name)

    def node(self) -> Aggregate:
        return Aggregate(
            self._child,
            tuple((attribute, expression) for expression, attribute in self._keys.items()),
            tuple((attribute, call) for call, attribute in self._aggregates.items()),
        )
