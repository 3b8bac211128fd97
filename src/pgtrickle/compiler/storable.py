"""Which whole rows a plan would keep in state tables, and may not.

A row without a named type is no column of a table. And while a table's row type is in use nobody
can alter the table: right where the user's own columns have it, but not for the sake of our state.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgtrickle.query.algebra import (
    Aggregate,
    Node,
    Project,
    Recursion,
    TopN,
    UnionAll,
    Window,
    Working,
    walk_nodes,
)
from pgtrickle.query.expression import Cast, Column, Expression, Template
from pgtrickle.query.lowering import NotIncremental
from pgtrickle.query.lowering.whole_rows import is_whole_row

KEEP_THEIR_ARGUMENT = frozenset({"array_agg", "any_value", "max", "min"})


def check_storable(root: Node) -> None:
    """Raise NotIncremental where a state table may not keep a whole row."""
    nodes = list(walk_nodes(root))
    rows = _whole_rows(nodes)
    kept = {id for node in nodes for id in _kept(node) if id in rows}
    if any(rows[id] for id in kept):
        raise NotIncremental("whole row", "of a subquery or join it cannot be kept in a table")
    if kept and not any(id in rows for id in root.ids):
        raise NotIncremental("whole row", "keeping it would forbid to alter the table it is of")


def _whole_rows(nodes: list[Node]) -> dict[str, bool]:
    """The attributes that are whole rows, each with whether it has no named type."""
    found: dict[str, bool] = {}
    size = -1
    while size != len(found):
        size = len(found)
        for node in nodes:
            for id, value in _handed_on(node):
                if isinstance(node, Project) and is_whole_row(value):
                    found[id] = isinstance(value, Template)
                    continue
                if isinstance(value, Cast) and "." in value.type.sql:
                    value = value.operand
                if isinstance(value, Column) and value.name in found:
                    found[id] = found[value.name]
    return found


def _handed_on(node: Node) -> Iterator[tuple[str, Expression]]:
    """Attributes with the expressions that they are."""
    match node:
        case Project():
            yield from ((attribute.id, expression) for attribute, expression in node.items)
        case Aggregate():
            yield from ((attribute.id, expression) for attribute, expression in node.keys)
            for attribute, call in node.aggregates:
                if call.name[-1] in KEEP_THEIR_ARGUMENT:
                    yield from ((attribute.id, argument.value) for argument in call.arguments[:1])
        case UnionAll():
            for branch in node.branches:
                yield from _by_position(node, branch)
        case Recursion():
            yield from _by_position(node, node.base)
        case Working():
            yield from _by_position(node, node.base)


def _by_position(node: Node, of: Node) -> Iterator[tuple[str, Expression]]:
    for output, attribute in zip(node.attributes, of.attributes, strict=True):
        yield output.id, attribute.reference


def _kept(node: Node) -> Iterator[str]:
    """Attributes whose values the state of a node keeps."""
    match node:
        case Window() | TopN():
            yield from node.child.ids
        case Aggregate():
            yield from node.ids
            for _, call in node.aggregates:
                if call.distinct:
                    values = (argument.value for argument in call.arguments)
                    yield from (value.name for value in values if isinstance(value, Column))
        case Recursion():
            yield from node.ids
