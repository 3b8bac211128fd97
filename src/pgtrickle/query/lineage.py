"""Which columns of which tables each output of a tree is computed from, conditions left out."""

from __future__ import annotations

from collections.abc import Iterator

from pgtrickle.query.algebra import (
    Aggregate,
    Expand,
    MarkJoin,
    Node,
    Project,
    Recursion,
    Scan,
    UnionAll,
    Window,
)
from pgtrickle.query.expression import Column
from pgtrickle.query.traverse import walk

Origin = tuple[int, str]
"""OID of a table and the name of a column."""


def lineage(root: Node) -> list[frozenset[Origin]]:
    """For each output of `root`, in order."""
    return [frozenset(_origins(root, id)) for id in root.ids]


def _origins(root: Node, wanted: str) -> Iterator[Origin]:
    pending = [(root, wanted)]
    seen = set()
    while pending:
        node, attribute = pending.pop()
        if (id(node), attribute) in seen:
            continue
        seen.add((id(node), attribute))
        if isinstance(node, Scan):
            yield from ((node.relid, name) for each, name in node.columns if each.id == attribute)
        elif isinstance(node, UnionAll | Recursion):
            # What a recursion reads of itself comes from its base.
            position = node.ids.index(attribute)
            pending += [(child, child.ids[position]) for child in node.children]
        else:
            pending += [
                (child, each)
                for each in _read(node, attribute)
                for child in node.children
                if each in child.ids
            ]


def _read(node: Node, attribute: str) -> frozenset[str]:
    """The attributes below `node` that its attribute is computed from."""
    computed: dict[str, object] = {}
    match node:
        case Project():
            computed = {a.id: expression for a, expression in node.items}
        case Aggregate():
            computed = {a.id: expression for a, expression in (*node.keys, *node.aggregates)}
        case Window():
            computed = {a.id: call for a, call in node.calls}
        case Expand():
            computed = {a.id: node.source for a in node.outputs}
        case MarkJoin():
            computed = {node.mark.id: node.condition}
    if attribute not in computed:
        return frozenset({attribute})
    expression = computed[attribute]
    if expression is None:
        return frozenset()
    return frozenset(each.name for each in walk(expression) if isinstance(each, Column))
