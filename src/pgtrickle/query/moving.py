"""Takes what reads the moment out of all operators but filters and projections of its own.

Only MovingFilter and MovingProject have delta rules for time (`pgtrickle.delta.moving`). A
condition is split: the part that reads the moment filters what the rest lets through, or the one
side of a join that it reads. Any other expression that reads the moment is computed by a
projection below the operator, as large a part of it as reads one input: a bucket of ages changes
less often than the age, and the age as often as now().
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pgtrickle.query.algebra import (
    Aggregate,
    Attribute,
    Expand,
    Filter,
    Join,
    MarkJoin,
    MovingFilter,
    MovingProject,
    Node,
    OuterJoin,
    Project,
    Replicate,
    SemiJoin,
    Shared,
    TopN,
    Window,
    with_children,
)
from pgtrickle.query.expression import Call, Expression, WindowSpec
from pgtrickle.query.lowering import NotIncremental
from pgtrickle.query.lowering.conditions import conjunction, conjuncts
from pgtrickle.query.lowering.rewriting import rewrite
from pgtrickle.query.moments import is_moment, reads_moment
from pgtrickle.query.pruning import columns_of

T = TypeVar("T")


def separate_moments(node: Node) -> Node:
    """`node` with moments in MovingFilter, MovingProject and Constant only.

    Raises NotIncremental where one stands in a place that must be constant.
    """
    return _Separation().of(node)


class _Separation:
    def __init__(self) -> None:
        self._shared: dict[int, Node] = {}
        self._number = 0

    def of(self, node: Node) -> Node:
        match node:
            case Shared():
                if id(node.child) not in self._shared:
                    self._shared[id(node.child)] = self.of(node.child)
                return Shared(self._shared[id(node.child)])
            case Filter():
                return _filtered(self.of(node.child), node.predicate)
            case Project():
                return self._project(replace(node, child=self.of(node.child)))
        node = with_children(node, self.of)
        match node:
            case Join():
                plain, moving = _split(node.condition)
                return _moving(replace(node, condition=conjunction(plain)), moving)
            case OuterJoin() | SemiJoin() | MarkJoin():
                return self._matched(node)
            case Aggregate():
                return self._aggregate(node)
            case Window():
                return self._window(node)
            case TopN():
                if reads_moment((node.limit, node.offset)):
                    raise NotIncremental("LIMIT", "how many rows it takes changes with time")
                return self._above_hoisted(node, (node.partition, node.order_by), _top_n)
            case Expand():
                return self._expand(node)
            case Replicate() if reads_moment(node.copies):
                raise NotIncremental("set operation", "how many rows it has changes with time")
        return node

    def _project(self, node: Project) -> Node:
        if not reads_moment(tuple(expression for _, expression in node.items)):
            return node
        if not node.expands:
            return MovingProject(node.child, node.items)
        hoisting = self._hoisting(node.child)
        # The moments alone: a larger part might return the set.
        items = tuple((attribute, hoisting.moments_of(e)) for attribute, e in node.items)
        return replace(node, child=hoisting.node(), items=items)

    def _matched(self, node: OuterJoin | SemiJoin | MarkJoin) -> Node:
        """ON: what reads the right side alone filters it; in a FULL join it may not."""
        plain, moving = _split(node.condition)
        if not moving:
            return node
        right = frozenset(node.right.ids)
        full = isinstance(node, OuterJoin) and node.full
        of_right = [] if full else [each for each in moving if columns_of(each) <= right]
        rest = [each for each in moving if each not in of_right]
        sides = [self._hoisting(node.left), self._hoisting(_moving(node.right, of_right))]
        for side in sides:
            rest = [side.within(each) for each in rest]
        changed = replace(
            node,
            left=sides[0].node(),
            right=sides[1].node(),
            condition=conjunction([*plain, *rest]),
        )
        return _restored(changed, node.attributes)

    def _aggregate(self, node: Aggregate) -> Node:
        hoisting = self._hoisting(node.child)
        keys = tuple((attribute, hoisting.within(key)) for attribute, key in node.keys)
        calls = []
        for attribute, call in node.aggregates:
            if call.within_group and reads_moment(call.arguments):
                raise NotIncremental(call.name[-1], "which fraction it takes changes with time")
            calls.append((attribute, hoisting.arguments_of(call)))
        return replace(node, child=hoisting.node(), keys=keys, aggregates=tuple(calls))

    def _window(self, node: Window) -> Node:
        for _, call in node.calls:
            if isinstance(call.over, WindowSpec) and reads_moment(call.over.frame):
                raise NotIncremental("window frame", "its bounds change with time")
        hoisting = self._hoisting(node.child)
        calls = tuple((attribute, hoisting.arguments_of(call)) for attribute, call in node.calls)
        partition = hoisting.within(node.partition)
        changed = replace(node, child=hoisting.node(), partition=partition, calls=calls)
        return _restored(changed, node.attributes)

    def _expand(self, node: Expand) -> Node:
        if not reads_moment((node.source, node.condition)):
            return node
        hoisting = self._hoisting(node.child)
        source = hoisting.arguments_of(node.source)
        condition = hoisting.moments_of(node.condition)
        changed = replace(node, child=hoisting.node(), source=source, condition=condition)
        return _restored(changed, node.attributes)

    def _above_hoisted(
        self, node: TopN, parts: tuple[Any, Any], build: Callable[..., Node]
    ) -> Node:
        hoisting = self._hoisting(node.child)
        changed = build(node, *(hoisting.within(part) for part in parts), hoisting.node)
        return _restored(changed, node.attributes)

    def _hoisting(self, child: Node) -> _Hoisting:
        return _Hoisting(child, self._attribute)

    def _attribute(self) -> Attribute:
        self._number += 1
        return Attribute(f"t{self._number}")


class _Hoisting:
    """Expressions that read the moment, moved from above `child` into a projection of it."""

    def __init__(self, child: Node, new: Callable[[], Attribute]) -> None:
        self._child = child
        self._new = new
        self._moved: dict[Expression, Attribute] = {}

    def within(self, value: T) -> T:
        """`value` with the largest expressions that read the moment and `child` alone moved."""
        return rewrite(value, self._replaced)

    def arguments_of(self, value: T) -> T:
        """As `within`, but calls at the top of `value` (aggregates, windows, sets) stay there."""
        calls = _top_calls(value)

        def replaced(each: Expression) -> Expression | None:
            return None if each in calls else self._replaced(each)

        return rewrite(value, replaced)

    def moments_of(self, value: T) -> T:
        """`value` with the bare moments moved."""
        return rewrite(value, lambda each: self._replaced(each) if is_moment(each) else None)

    def _replaced(self, expression: Expression) -> Expression | None:
        if not columns_of(expression) <= frozenset(self._child.ids):
            return None
        if not reads_moment(expression):
            return None
        if expression not in self._moved:
            self._moved[expression] = self._new()
        return self._moved[expression].reference

    def node(self) -> Node:
        if not self._moved:
            return self._child
        kept = tuple((attribute, attribute.reference) for attribute in self._child.attributes)
        moved = tuple((attribute, e) for e, attribute in self._moved.items())
        return MovingProject(self._child, kept + moved)


def _top_calls(value: object) -> list[Call]:
    found: list[Call] = []

    def look(each: Expression) -> Expression | None:
        if isinstance(each, Call):
            found.append(each)
            return each
        return None

    rewrite(value, look)
    return found


def _top_n(
    node: TopN, partition: tuple[Expression, ...], order_by: Any, child: Callable[[], Node]
) -> Node:
    return replace(node, child=child(), partition=partition, order_by=order_by)


def _split(condition: Expression | None) -> tuple[list[Expression], list[Expression]]:
    """The conjuncts that do not read the moment, and those that do."""
    every = conjuncts(condition)
    moving = [each for each in every if reads_moment(each)]
    return [each for each in every if each not in moving], moving


def _filtered(child: Node, predicate: Expression) -> Node:
    plain, moving = _split(predicate)
    if not moving:
        return Filter(child, predicate)
    rest = conjunction(plain)
    return _moving(child if rest is None else Filter(child, rest), moving)


def _moving(child: Node, conditions: Sequence[Expression]) -> Node:
    predicate = conjunction(conditions)
    return child if predicate is None else MovingFilter(child, predicate)


def _restored(node: Node, attributes: tuple[Attribute, ...]) -> Node:
    """`node` without the columns that were added below it."""
    if node.attributes == attributes:
        return node
    return Project(node, tuple((attribute, attribute.reference) for attribute in attributes))
