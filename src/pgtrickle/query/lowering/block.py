"""One SELECT block while it is lowered: what FROM and WHERE give, and what is asked of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import Filter, Node
from pgtrickle.query.expression import (
    Call,
    Column,
    Expression,
    SortKey,
    SqlFunction,
    Sublink,
    WholeRow,
)
from pgtrickle.query.lowering import subqueries
from pgtrickle.query.lowering.conditions import conjunction, conjuncts
from pgtrickle.query.lowering.environment import Environment
from pgtrickle.query.lowering.grouping import Grouped, group
from pgtrickle.query.lowering.levels import free_aggregates
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.rewriting import rewrite
from pgtrickle.query.lowering.sources import lower_from
from pgtrickle.query.lowering.targets import column_names
from pgtrickle.query.lowering.whole_rows import whole_rows_in
from pgtrickle.query.pruning import columns_of
from pgtrickle.query.traverse import expressions


class Block:
    """FROM and WHERE of a block as `node`.

    `correlation` holds the conjuncts of WHERE that read the block around it; they are not applied.
    """

    def __init__(
        self, query: s.Select, environment: Environment, beside: Node | None = None
    ) -> None:
        """`beside` is joined with FROM; `environment.outer` shows its columns."""
        self.query = query
        self.beside = beside
        self.environment = replace(environment, whole_rows=whole_rows_in(query))
        source = lower_from(query.sources, self.environment, beside)
        self.node: Node = source.node
        self.scope = source.scope
        self.correlation: list[Expression] = []
        self._check_levels()
        self._where()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the result columns."""
        return column_names(self.query)

    def _check_levels(self) -> None:
        """Raise NotIncremental for an aggregate that belongs to a block around.

        So does one that reads columns from there alone, wherever it stands.
        """
        here, around = replace(self.scope, outer=None), self.environment.outer
        if around is None:
            return
        for each in expressions(self.query, into_queries=False):
            if not self.is_levelled(each):
                continue
            read = [name for name in expressions(each) if isinstance(name, Column | WholeRow)]
            if any(map(around.names, read)) and not any(map(here.names, read)):
                raise NotIncremental("correlated subquery", "it aggregates the rows around it")

    def _where(self) -> None:
        plain: list[Expression] = []
        with_subqueries: list[Expression] = []
        for condition in conjuncts(self.query.where):
            (with_subqueries if subqueries.has_sublink(condition) else plain).append(condition)
        local = []
        for condition in plain:
            resolved = self.resolve(condition)
            if columns_of(resolved) <= frozenset(self.node.ids):
                local.append(resolved)
            else:
                self.correlation.append(resolved)
        predicate = conjunction(local)
        if predicate is not None:
            self.node = Filter(self.node, predicate)
        for condition in with_subqueries:
            self.node = subqueries.restrict(self.node, self.scope, condition, self.environment)

    def resolve(self, expression: Expression) -> Expression:
        """`expression` over `node`, which gains the columns of the subqueries in it."""
        return self.scope.resolve(expression, self._attach)

    def sort_key(self, key: SortKey) -> SortKey:
        return replace(key, expression=self.resolve(key.expression))

    def _attach(self, sublink: Sublink) -> Expression:
        self.node, value = subqueries.attach(self.node, self.scope, sublink, self.environment)
        return value

    @property
    def reads_outer_above(self) -> bool:
        """Whether what is selected, or how rows are grouped or ordered, reads the block around."""
        outer = self.environment.outer
        if outer is None:
            return False
        reads = False

        def look(expression: Expression) -> Expression | None:
            nonlocal reads
            if isinstance(expression, Sublink):
                return expression
            if isinstance(expression, Column):
                found = self.scope.resolve(expression)
                reads = reads or not columns_of(found) <= frozenset(self.node.ids)
            return None

        query = self.query
        rewrite((query.targets, query.distinct, query.windows), look)
        if query.group_by:
            rewrite(query.having, look)
        if query.limit is not None or query.offset is not None or query.distinct:
            rewrite(query.order_by, look)
        return reads

    @property
    def is_aggregation(self) -> bool:
        """Whether the block groups its rows."""
        query = self.query
        above = (query.targets, query.distinct, query.order_by, query.windows)
        return bool(query.group_by) or query.having is not None or self._has_aggregate(above)

    @property
    def is_scalar_aggregation(self) -> bool:
        """Whether the block aggregates all its rows into one."""
        query = self.query
        return (
            self.is_aggregation
            and not query.group_by
            and query.distinct is None
            and query.limit is None
            and query.offset is None
            and not self.numbers_rows
            and not self.expands
        )

    @property
    def expands(self) -> bool:
        """Whether the select list returns sets."""
        return any(
            isinstance(each, Call) and self.environment.facts.returns_set(each.name)
            for target in self.query.targets
            for each in expressions(target, into_queries=False)
        )

    @property
    def numbers_rows(self) -> bool:
        """Whether a window function stands in the select list."""
        return any(
            isinstance(each, Call) and each.over is not None
            for target in self.query.targets
            for each in expressions(target, into_queries=False)
        )

    def _has_aggregate(self, value: object) -> bool:
        found = False

        def look(each: Expression) -> Expression | None:
            nonlocal found
            if isinstance(each, Sublink):
                rewrite(each.test, look)
                found = found or any(map(self.is_own, free_aggregates(each, self.is_levelled)))
                return each
            found = found or self.is_aggregate(each)
            return None

        rewrite(value, look)
        return found

    def is_levelled(self, node: Any) -> bool:
        """Whether something belongs to the innermost block that it reads."""
        return self.is_aggregate(node) or _is_grouping(node)

    def is_own(self, expression: Expression) -> bool:
        """Whether a free name of an expression in a subquery is one of this block."""
        here = replace(self.scope, outer=None)
        read = (each for each in expressions(expression) if isinstance(each, Column | WholeRow))
        return any(map(here.names, read))

    def is_aggregate(self, expression: Any) -> bool:
        """Whether `expression` is an aggregate call (and not one over a window)."""
        return (
            isinstance(expression, Call)
            and expression.over is None
            and self.environment.facts.is_aggregate(expression.name)
        )

    def grouped(self, extra_keys: list[Expression] | None = None) -> Grouped:
        """The block aggregated by its own keys, and before them by `extra_keys`."""
        expressions = [target.expression for target in self.query.targets]
        return group(self.query, self, expressions, extra_keys or [])

    def grouped_for(
        self, expressions: list[Expression], extra_keys: list[Expression] | None = None
    ) -> Grouped:
        """As `grouped`, for other expressions than the select list.

        A block evaluated for each row of what is `beside` it has a row for each, if it groups by
        nothing.
        """
        return group(self.query, self, expressions, extra_keys or [], self.beside)


def _is_grouping(expression: Any) -> bool:
    return isinstance(expression, SqlFunction) and expression.keyword == "GROUPING"
