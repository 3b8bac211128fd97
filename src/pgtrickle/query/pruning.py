"""Removes columns nobody reads, so that capture and deltas carry only what they must."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace

from pgtrickle.query.algebra import (
    Aggregate,
    Attribute,
    Constant,
    Expand,
    Filter,
    Join,
    MarkJoin,
    Node,
    OuterJoin,
    Project,
    Recursion,
    Replicate,
    Scan,
    SemiJoin,
    Shared,
    TopN,
    UnionAll,
    Window,
    Working,
    walk_nodes,
)
from pgtrickle.query.comparing import compared
from pgtrickle.query.expression import Column
from pgtrickle.query.lowering.rewriting import rewrite
from pgtrickle.query.renaming import through_renaming


def columns_of(value: object) -> frozenset[str]:
    """The attribute ids that an expression (or a tuple of expressions) reads."""
    found: set[str] = set()

    def look(expression: object) -> None:
        if isinstance(expression, Column) and expression.relation is None:
            found.add(expression.name)

    rewrite(value, look)
    return frozenset(found)


def prune(node: Node) -> Node:
    """`node` without the columns that nothing reads.

    A scan keeps its first key (or else its first column) when nothing of it is read, so that it
    is never a relation without columns. A shared relation keeps what any of its places reads, and
    stays shared; who reads what of it is known after as many rounds as sharing is nested.
    """
    wanted: dict[int, frozenset[str]] = {}
    while True:
        pruning = _Pruning(dict(wanted))
        pruned = pruning.prune(node, frozenset(node.ids))
        if pruning.wanted_of_shared == wanted:
            return pruned
        wanted = pruning.wanted_of_shared


class _Pruning:
    """One round. `wanted_of_shared`: what is read of shared relations, by the id of the object."""

    def __init__(self, wanted_of_shared: dict[int, frozenset[str]]) -> None:
        self.wanted_of_shared = wanted_of_shared
        self._shared: dict[int, Node] = {}
        self._working: dict[str, Callable[[Working], Working]] = {}

    def prune(self, node: Node, wanted: frozenset[str]) -> Node:
        """`node` without the columns that are not in `wanted`."""
        match node:
            case Shared():
                return self._pruned_shared(node, wanted)
            case Scan():
                return _scan(node, wanted)
            case Constant():
                return node
            case Filter():
                return replace(
                    node, child=self.prune(node.child, wanted | columns_of(node.predicate))
                )
            case Project():
                items = tuple(item for item in node.items if node.expands or item[0].id in wanted)
                below = columns_of(tuple(expression for _, expression in items))
                return replace(node, child=self.prune(node.child, below), items=items)
            case Replicate():
                return replace(node, child=self.prune(node.child, wanted | columns_of(node.copies)))
            case Expand():
                below = wanted | columns_of((node.source, node.condition))
                return replace(node, child=self.prune(node.child, below))
            case TopN():
                below = columns_of((node.partition, node.order_by))
                return replace(node, child=self.prune(node.child, wanted | below))
            case Window():
                wanted |= columns_of(node.where)
                calls = tuple(item for item in node.calls if item[0].id in wanted)
                if not calls:
                    kept = node.child if node.where is None else Filter(node.child, node.where)
                    return self.prune(kept, wanted)
                below = columns_of((node.partition, tuple(call for _, call in calls)))
                return replace(node, child=self.prune(node.child, wanted | below), calls=calls)
            case Join() if isinstance(semi_join := compared(node, wanted), SemiJoin):
                return self.prune(semi_join, wanted)
            case SemiJoin() | MarkJoin():
                condition = columns_of(node.condition)
                return replace(
                    node,
                    left=self.prune(node.left, wanted | condition),
                    right=self.prune(node.right, condition),
                )
            case Join() | OuterJoin():
                wanted |= columns_of(node.condition)
                return replace(
                    node, left=self.prune(node.left, wanted), right=self.prune(node.right, wanted)
                )
            case Recursion():
                return self._recursion(node, wanted)
            case Working():
                return self._working.get(node.recursion, _whole)(node)
            case UnionAll():
                return self._union(node, wanted)
            case Aggregate():
                aggregates = tuple(item for item in node.aggregates if item[0].id in wanted)
                if not node.keys and not aggregates:
                    # One row, whatever is below.
                    return Constant("SELECT", (), single=True)
                below = columns_of(
                    (tuple(e for _, e in node.keys), tuple(e for _, e in aggregates))
                )
                child = self.prune(node.child, below)
                return through_renaming(replace(node, child=child, aggregates=aggregates))
        raise TypeError(f"no pruning rule for {type(node).__name__}")

    def _pruned_shared(self, node: Shared, wanted: frozenset[str]) -> Shared:
        place = id(node.child)
        read = self.wanted_of_shared.get(place, frozenset()) | (wanted & frozenset(node.ids))
        self.wanted_of_shared[place] = read
        if place not in self._shared:
            self._shared[place] = self.prune(node.child, read)
        return Shared(self._shared[place])

    def _recursion(self, node: Recursion, wanted: frozenset[str]) -> Recursion:
        """With UNION, all columns: they decide which rows are there. Else what is read of it.

        A column that the step reads for itself alone is read by nobody.
        """
        kept = frozenset(range(len(node.outputs)))
        if not node.distinct and not _is_read_in_shared(node):
            kept = frozenset(i for i in kept if node.ids[i] in wanted) or frozenset((0,))
            while (more := kept | self._read_by_step(node, kept)) != kept:
                kept = more
        positions = sorted(kept)
        base = _narrowed(self.prune(node.base, _at(node.base, positions)), node.base, positions)

        def working(read: Working) -> Working:
            return replace(read, base=base, outputs=tuple(read.outputs[i] for i in positions))

        self._working[node.name] = working
        step = _narrowed(self.prune(node.step, _at(node.step, positions)), node.step, positions)
        outputs = tuple(node.outputs[i] for i in positions)
        return replace(node, base=base, step=step, outputs=outputs)

    def _read_by_step(self, node: Recursion, kept: frozenset[int]) -> frozenset[int]:
        """The columns of the recursion that its step reads to compute those of `kept`."""
        self._working[node.name] = _whole
        step = self.prune(node.step, _at(node.step, kept))
        read = _at(node.step, kept).union(*map(_columns_read, walk_nodes(step)))
        working = [e for e in walk_nodes(step) if isinstance(e, Working)]
        return frozenset(
            i
            for each in working
            if each.recursion == node.name
            for i, id in enumerate(each.ids)
            if id in read
        )

    def _union(self, node: UnionAll, wanted: frozenset[str]) -> UnionAll:
        """Branches are narrowed by position; a projection puts each into the remaining order."""
        positions = [i for i, output in enumerate(node.outputs) if output.id in wanted]
        branches = []
        for branch in node.branches:
            kept: list[Attribute] = [branch.attributes[i] for i in positions]
            narrowed = self.prune(branch, frozenset(attribute.id for attribute in kept))
            branches.append(
                Project(
                    narrowed,
                    tuple(
                        (replace(attribute, id=f"{attribute.id}u{n}"), attribute.reference)
                        for n, attribute in enumerate(kept)
                    ),
                )
            )
        return replace(
            node, branches=tuple(branches), outputs=tuple(node.outputs[i] for i in positions)
        )


def _scan(node: Scan, wanted: frozenset[str]) -> Scan:
    kept = tuple(column for column in node.columns if column[0].id in wanted)
    if not kept:
        names = node.keys[0] if node.keys else tuple(name for _, name in node.columns[:1])
        kept = tuple(column for column in node.columns if column[1] in names)
    return replace(node, columns=kept)


def _whole(working: Working) -> Working:
    return working


def _at(node: Node, positions: Iterable[int]) -> frozenset[str]:
    return frozenset(node.ids[i] for i in positions)


def _narrowed(pruned: Node, before: Node, positions: Sequence[int]) -> Node:
    """`pruned` with the columns that stood at these positions, and no others."""
    columns = {attribute.id: attribute for attribute in pruned.attributes}
    kept = tuple(columns[before.ids[i]] for i in positions)
    if kept == pruned.attributes:
        return pruned
    return Project(pruned, tuple((attribute, attribute.reference) for attribute in kept))


def _columns_read(node: Node) -> frozenset[str]:
    """What the expressions of a node read; not those of the nodes below it."""
    values = (getattr(node, field.name) for field in fields(node))
    return columns_of(tuple(value for value in values if not _holds_nodes(value)))


def _holds_nodes(value: object) -> bool:
    return isinstance(value, Node) or (
        isinstance(value, tuple) and any(isinstance(item, Node) for item in value)
    )


def _is_read_in_shared(node: Recursion) -> bool:
    """Whether the recursion is read within a relation that stands in several places."""
    return any(
        isinstance(below, Working) and below.recursion == node.name
        for each in walk_nodes(node.step)
        if isinstance(each, Shared)
        for below in walk_nodes(each)
    )
