"""Moves conditions down to the lowest join that has their columns, and joins what they link.

PostgreSQL does this by itself within one statement's joins. Some deltas are computed once, into a
common table expression, and it does not look into those: what stands under one must already be
joined on its condition, or it is a cross product. Likewise a window function: which of its rows are
wanted (row_number() <= 3) is part of it, so that no others are kept. A left join of which no row
without a match passes a condition above is an inner join, and so is a semi-join with what is found
by its key: they have no rows that gain or lose a match.
"""

from __future__ import annotations

from dataclasses import replace

from pgtrickle.query.algebra import (
    Aggregate,
    Filter,
    Join,
    MarkJoin,
    Node,
    OuterJoin,
    Project,
    SemiJoin,
    Shared,
    TopN,
    Window,
    Working,
    walk_nodes,
    with_children,
)
from pgtrickle.query.expression import Call, Column, Expression, WindowSpec
from pgtrickle.query.keys import keys, meets_one
from pgtrickle.query.lowering.conditions import conjunction, conjuncts
from pgtrickle.query.lowering.rewriting import rewrite
from pgtrickle.query.missing import rejects_missing
from pgtrickle.query.moments import reads_moment
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
            case Project() if _window_below(node):
                renamed, rest = _renamed(conditions, node)
                return _filtered(replace(node, child=self.down(node.child, renamed)), rest)
            case Window():
                return self._windowed(node, conditions)
            case Join():
                return self._joined(node, conditions)
            case OuterJoin(full=False) if rejects_missing(conditions, node.right):
                return self.down(Join(node.left, node.right, node.condition), conditions)
            case SemiJoin() if _is_a_join(node):
                joined = self._joined(Join(node.left, node.right, node.condition), conditions)
                return Project(joined, tuple((each, each.reference) for each in node.attributes))
            case OuterJoin(full=False) | SemiJoin() | MarkJoin():
                left, rest = _taken(conditions, node.left)
                moved = replace(node, left=self.down(node.left, left), right=self.down(node.right))
                return _filtered(moved, rest)
            case Shared():
                if id(node.child) not in self._shared:
                    self._shared[id(node.child)] = self.down(node.child)
                return _filtered(Shared(self._shared[id(node.child)]), conditions)
        return _filtered(with_children(node, self.down), conditions)

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
            following = _following(joined, pushed, rest)
            pushed.remove(following)
            joined = Join(joined, following)
            on, rest = _taken(rest, joined)
            joined = replace(joined, condition=conjunction(on))
        return _filtered(joined, rest)

    def _windowed(self, node: Window, conditions: tuple[Expression, ...]) -> Node:
        """Conditions become the window's; what reads the moment has rules of its own.

        None goes below the window, not even one on the partition keys: rows of one partition may
        differ in them (1.0 and 1.00). Where peers leave the functions open all rows are kept, for
        what was chosen must be known.
        """
        node = replace(node, child=self.down(node.child))
        own = [each for each in conditions if not reads_moment(each)] if _is_settled(node) else []
        rest = tuple(each for each in conditions if each not in own)
        where = conjunction((*conjuncts(node.where), *own))
        return _filtered(replace(node, where=where), rest)


RANKS = frozenset({("rank",), ("dense_rank",), ("percent_rank",), ("cume_dist",)})
"""Functions that give all peers one value, whatever their order."""


def _is_settled(node: Window) -> bool:
    """Whether each function has one value for each row: peers share it, or there are none."""
    of_partition = [key.name for key in node.partition if isinstance(key, Column)]
    unique = keys(node.child)

    def orders_single_rows(call: Call) -> bool:
        order = call.over.order_by if isinstance(call.over, WindowSpec) else ()
        by = [key.expression.name for key in order if isinstance(key.expression, Column)]
        return any(key <= {*of_partition, *by} for key in unique)

    return all(call.name in RANKS or orders_single_rows(call) for _, call in node.calls)


def _window_below(node: Node) -> bool:
    """Whether conditions on `node` can reach a window, through renamings alone."""
    while isinstance(node, Filter) or (isinstance(node, Project) and not node.expands):
        node = node.child
    return isinstance(node, Window)


def _renamed(
    conditions: tuple[Expression, ...], node: Project
) -> tuple[tuple[Expression, ...], tuple[Expression, ...]]:
    """The conditions on what the projection only renames, in the child's names; and the rest."""
    names = {
        attribute.id: expression
        for attribute, expression in node.items
        if isinstance(expression, Column)
    }

    def below(expression: object) -> Expression | None:
        if isinstance(expression, Column) and expression.relation is None:
            return names.get(expression.name)
        return None

    taken = [each for each in conditions if columns_of(each) and columns_of(each) <= names.keys()]
    rest = tuple(each for each in conditions if each not in taken)
    return tuple(rewrite(each, below) for each in taken), rest


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


def _following(joined: Node, inputs: list[Node], conditions: tuple[Expression, ...]) -> Node:
    """Which of the inputs to join next: one that is linked, those first that leave rows out.

    What changes on both sides of a join is computed once, and nothing above it leaves any of it
    out. An input found by its key, of which a filter has left some, makes rows fewer and none more.
    What is kept as state comes last: it is looked up in as it was (`delta.join`) where it is a side
    of its own.
    """
    linked = [each for each in inputs if _links(conditions, joined, each)]

    def rank(each: Node) -> int:
        if any(isinstance(below, Aggregate | Window | TopN) for below in walk_nodes(each)):
            return 2
        on, _ = _taken(conditions, Join(joined, each))
        return 0 if isinstance(each, Filter) and meets_one(each, joined, conjunction(on)) else 1

    return min(linked, key=rank, default=inputs[0])


def _is_a_join(node: SemiJoin) -> bool:
    """Whether each row meets one row at most, so that there is none to count and to compare."""
    return (
        not (node.negated or reads_moment(node.condition))
        and meets_one(node.right, node.left, node.condition)
        and not any(isinstance(each, Working) for each in walk_nodes(node))
    )


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
