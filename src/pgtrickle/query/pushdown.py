"""Moves conditions down to the lowest join that has their columns, and joins what they link.

PostgreSQL does this by itself within one statement's joins. Some deltas are computed once, into a
common table expression, and it does not look into those: what stands under one must already be
joined on its condition, or it is a cross product.
"""

from __future__ import annotations

from dataclasses import replace

from pgtrickle.query.algebra import (
    Filter,
    Join,
    MarkJoin,
    Node,
    OuterJoin,
    Recursion,
    SemiJoin,
    Shared,
)
from pgtrickle.query.expression import Expression
from pgtrickle.query.lowering.conditions import conjunction, conjuncts
from pgtrickle.query.pruning import columns_of


def push_down(node: Node) -> Node:
    """`node` with every condition as far down as it goes. What is shared stays shared."""
    return _Pushing().down(node)


class _Pushing:
    def __init__(self) -> None:
        self._shared: dict[int, Node] = {}

    def down(self, node: Node, conditions: tuple[Expression, ...] = ()) -> Node:
        """`node` filtered by `conditions`, each as far down as it goes."""
        match node:
            case Filter():
                return self.down(node.child, (*conjuncts(node.predicate), *conditions))
            case Join():
                return self._joined(node, conditions)
            case OuterJoin(full=False) | SemiJoin() | MarkJoin():
                left, rest = _taken(conditions, node.left)
                moved = replace(node, left=self.down(node.left, left), right=self.down(node.right))
                return _filtered(moved, rest)
            case Shared():
                if id(node.child) not in self._shared:
                    self._shared[id(node.child)] = self.down(node.child)
                return _filtered(Shared(self._shared[id(node.child)]), conditions)
        return _filtered(self._with_children(node), conditions)

    def _joined(self, node: Join, conditions: tuple[Expression, ...]) -> Node:
        """Nested inner joins, ordered so that each input is linked with those before it if it can.

        PostgreSQL chooses the order itself, but among few inputs only (from_collapse_limit).
        """
        inputs, inner = _inputs(node)
        rest = (*inner, *conditions)
        pushed = []
        for each in inputs:
            below, rest = _taken(rest, each)
            pushed.append(self.down(each, below))
        joined = pushed.pop(0)
        while pushed:
            following = next((each for each in pushed if _links(rest, joined, each)), pushed[0])
            pushed.remove(following)
            joined = Join(joined, following)
            on, rest = _taken(rest, joined)
            joined = replace(joined, condition=conjunction(on))
        return _filtered(joined, rest)

    def _with_children(self, node: Node) -> Node:
        """`node` with conditions moved down inside each child."""
        if isinstance(node, Recursion):
            return replace(node, base=self.down(node.base), step=self.down(node.step))
        match node.children:
            case ():
                return node
            case (child,) if hasattr(node, "child"):
                return replace(node, child=self.down(child))  # type: ignore[call-arg]
            case (left, right) if hasattr(node, "left"):
                return replace(node, left=self.down(left), right=self.down(right))  # type: ignore[call-arg]
        return replace(node, branches=tuple(map(self.down, node.children)))  # type: ignore[call-arg]


def _inputs(node: Node) -> tuple[list[Node], tuple[Expression, ...]]:
    """What nested inner joins join, and on which conditions."""
    match node:
        case Join():
            left, of_left = _inputs(node.left)
            right, of_right = _inputs(node.right)
            return left + right, (*of_left, *of_right, *conjuncts(node.condition))
        case Filter():
            inputs, inner = _inputs(node.child)
            if len(inputs) > 1:
                return inputs, (*inner, *conjuncts(node.predicate))
    return [node], ()


def _links(conditions: tuple[Expression, ...], left: Node, right: Node) -> bool:
    """Whether a condition reads both and nothing else."""
    a, b = frozenset(left.ids), frozenset(right.ids)
    return any(reads & a and reads & b and reads <= a | b for reads in map(columns_of, conditions))


def _taken(
    conditions: tuple[Expression, ...], child: Node
) -> tuple[tuple[Expression, ...], tuple[Expression, ...]]:
    """The conditions that read columns of `child` and no others, and the rest."""
    inside = frozenset(child.ids)
    taken = tuple(each for each in conditions if columns_of(each) and columns_of(each) <= inside)
    return taken, tuple(each for each in conditions if each not in taken)


def _filtered(node: Node, conditions: tuple[Expression, ...]) -> Node:
    predicate = conjunction(conditions)
    return node if predicate is None else Filter(node, predicate)
