"""What is shared by nobody: a relation named by WITH that is read in one place.

Each WITH query is lowered as a relation that its references share, so that its delta is computed
once. Where there is one reference, there is nothing to share; and through what is shared no
condition is moved, no join is seen, and its delta is stored before it is read. AS MATERIALIZED asks
for that: a condition that may fail is not evaluated on what a join inside leaves out.
"""

from __future__ import annotations

from collections import Counter

from pgtrickle.query.algebra import Node, Shared, walk_nodes, with_children


def unshared(root: Node) -> Node:
    """`root` without the Shared nodes whose relation is read in one place."""
    return _Unsharing(root).of(root)


class _Unsharing:
    def __init__(self, root: Node) -> None:
        # (walk_nodes enters what is shared once, and gives each Shared node above it.)
        self._places = Counter(id(n.child) for n in walk_nodes(root) if isinstance(n, Shared))
        self._shared: dict[int, Node] = {}

    def of(self, node: Node) -> Node:
        if not isinstance(node, Shared):
            return with_children(node, self.of)
        place = id(node.child)
        if self._places[place] == 1 and not node.apart:
            return self.of(node.child)
        if place not in self._shared:
            self._shared[place] = self.of(node.child)
        return Shared(self._shared[place])
