"""A subquery that may read the block around it, as a relation to be joined with that block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pgtrickle.query.algebra import Attribute, Filter, Join, Node, OuterJoin, Project
from pgtrickle.query.expression import Case, DistinctFrom, Expression, Is, Literal, Operator
from pgtrickle.query.lowering.attributes import Attributes
from pgtrickle.query.lowering.conditions import conjunction, conjuncts
from pgtrickle.query.lowering.domain import domain_in, placed
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.pruning import columns_of

Condition = Expression | None


@dataclass(frozen=True, slots=True)
class Correlated:
    """A lowered subquery.

    `values` are its select list over `node`'s attributes (and those around); the conjuncts of
    `condition` link `node` with the block around. `one_row`: an aggregation, which gives one row
    also where nothing matches; `values` then hold over the NULLs of an outer join, too.
    `having`: where it is not true that row is missing after all, and its values are NULL.
    """

    node: Node
    names: tuple[str, ...]
    values: tuple[Expression, ...]
    condition: tuple[Expression, ...]
    one_row: bool = False
    having: Expression | None = None

    @property
    def reads_outer(self) -> bool:
        """Whether the subquery reads the block around it at all."""
        return bool(self.condition) or not columns_of(self.values) <= frozenset(self.node.ids)

    def equated(self) -> list[tuple[Expression, Expression]]:
        """The condition as (inner, outer) pairs. Raises NotIncremental."""
        return equated(self.condition, self.node)

    def check_reach(self, left: Node) -> None:
        """Raise NotIncremental where the subquery reads more than `left` around it."""
        known = frozenset(left.ids) | frozenset(self.node.ids)
        if not columns_of((self.condition, self.values)) <= known:
            raise NotIncremental("correlated subquery", "it reads a block further out")

    def placed(self, left: Node, attributes: Attributes) -> tuple[Node, Correlated]:
        """`left` and the subquery, evaluated for what is in `left` where it waits for that."""
        domain = domain_in(self.node)
        if domain is None:
            return left, self
        if not {each.id for each in domain.around} <= frozenset(left.ids):
            raise NotIncremental("correlated subquery", "it reads a block further out")
        left, node = placed(left, self.node, domain, attributes)
        return left, replace(self, node=node)

    def beside(self, left: Node, *, outer: bool) -> Node:
        """`left` joined with the subquery; `outer` keeps left rows without a match."""
        self.check_reach(left)
        condition = conjunction(self.condition)
        if self.one_row and condition is None:
            return Join(left, self.node)
        if outer or self.one_row:
            return OuterJoin(left, self.node, condition)
        return Join(left, self.node, condition)

    def columns_beside(
        self, left: Node, attributes: Attributes
    ) -> tuple[Node, tuple[Attribute, ...]]:
        """Joined with `left`, the subquery's values as attributes of their own."""
        node = self.beside(left, outer=False)
        if self.having is not None:
            node = Filter(node, self.having)
        return _with_values(node, self.values, attributes)

    def columns_left_beside(
        self, left: Node, attributes: Attributes, on: Callable[[Sequence[Expression]], Condition]
    ) -> tuple[Node, tuple[Attribute, ...]]:
        """As `columns_beside`, with NULLs for rows of `left` without any.

        `on` gives the condition of the join, over the values of the subquery, or None. With N the
        subquery's rows, C its correlation and v its values,

            L ⟕ lateral (select v from N where C) on θ(v)   is   L ⟕ N on C and θ(v)

        and of an aggregation, which has one row for each of L, the values are NULL unless θ(v).
        """
        if self.one_row:
            condition = on(self.values)
            values = self.values
            if condition is not None:
                values = tuple(Case(None, ((condition, value),), None) for value in values)
            return _with_values(self.beside(left, outer=True), values, attributes)
        if columns_of(self.values) <= frozenset(self.node.ids):
            # Values of a missing row are NULL: they are computed below the join.
            node, outputs = _with_values(self.node, self.values, attributes)
            condition = on([output.reference for output in outputs])
            return self._left_joined(left, node, condition), outputs
        there = attributes.new(not_null=True)
        kept = tuple((attribute, attribute.reference) for attribute in self.node.attributes)
        node = Project(self.node, (*kept, (there, Literal("true"))))
        is_there = Is(there.reference, "TRUE")
        values = tuple(Case(None, ((is_there, value),), None) for value in self.values)
        return _with_values(self._left_joined(left, node, on(self.values)), values, attributes)

    def _left_joined(self, left: Node, node: Node, condition: Condition) -> Node:
        self.check_reach(left)
        return OuterJoin(left, node, conjunction([*self.condition, *conjuncts(condition)]))


def are_equated(correlation: Sequence[Expression], node: Node) -> bool:
    """Whether `equated` gives an answer."""
    inside = frozenset(node.ids)
    return all(_pair(condition, inside) is not None for condition in correlation)


def equated(correlation: Sequence[Expression], node: Node) -> list[tuple[Expression, Expression]]:
    """The correlation as (inner, outer) pairs that are equated. Raises NotIncremental."""
    inside = frozenset(node.ids)
    pairs = []
    for condition in correlation:
        pair = _pair(condition, inside)
        if pair is None:
            raise NotIncremental(
                "correlated subquery",
                "it aggregates or limits for each row by another condition than equality",
            )
        pairs.append(pair)
    return pairs


def _pair(condition: Expression, inside: frozenset[str]) -> tuple[Expression, Expression] | None:
    match condition:
        case Operator(name=("=",), left=Expression() as a, right=b):
            pass
        case DistinctFrom(left=a, right=b, negated=True):
            pass
        case _:
            return None
    for inner, outer in ((a, b), (b, a)):
        reads = columns_of(inner)
        if reads and reads <= inside and not columns_of(outer) & inside:
            return inner, outer
    return None


def _with_values(
    node: Node, values: tuple[Expression, ...], attributes: Attributes
) -> tuple[Node, tuple[Attribute, ...]]:
    outputs = tuple(attributes.new() for _ in values)
    kept = tuple((attribute, attribute.reference) for attribute in node.attributes)
    return Project(node, kept + tuple(zip(outputs, values, strict=True))), outputs
