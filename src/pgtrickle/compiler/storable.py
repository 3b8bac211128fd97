"""Which whole rows a plan would keep in state tables, and may not.

A row without a named type is no column of a table. And while a table's row type is in use nobody
can alter the table: right where the user's own columns have it, but not for the sake of our state.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgtrickle.compiler.facts import DatabaseFacts
from pgtrickle.delta.state import States
from pgtrickle.query.algebra import (
    Aggregate,
    Node,
    Project,
    Recursion,
    Scan,
    TopN,
    UnionAll,
    Window,
    Working,
    walk_nodes,
)
from pgtrickle.query.expression import Cast, Column, Expression, SqlFunction, Template
from pgtrickle.query.lowering import NotIncremental, trails, whole_rows
from pgtrickle.query.traverse import children, walk

NAMELESS = {
    whole_rows.CONSTRUCT: "of a subquery or join it cannot be kept in a table",
    trails.CONSTRUCT: "its column of rows cannot be kept in a table",
}
KEEP_THEIR_ARGUMENT = frozenset({"array_agg", "any_value", "max", "min"})


def check_storable(root: Node) -> None:
    """Raise NotIncremental where a state table may not keep a whole row."""
    nodes = list(walk_nodes(root))
    rows = _whole_rows(nodes)
    kept = {id for node in nodes for id in _kept(node) if id in rows}
    for construct in sorted(rows[id] for id in kept if rows[id]):
        raise NotIncremental(construct, NAMELESS[construct])
    if kept and not any(id in rows for id in root.ids):
        raise NotIncremental("whole row", "keeping it would forbid to alter the table it is of")


def check_states(root: Node, states: States, facts: DatabaseFacts) -> None:
    """Raise NotIncremental where a state table would have a column of a type without a name.

    Asked only where rows are values: min(row) and ROW(...) are of no type that a column can have.
    """
    if not any(_makes_rows(node, facts) for node in walk_nodes(root)):
        return
    filled: list[str] = []
    for table in states.tables.values():
        prelude = f"WITH {', '.join(filled)} " if filled else ""
        refusal = facts.refusal_of_columns(f"{prelude}SELECT * FROM ({table.fill}) AS f")
        if refusal is not None:
            raise NotIncremental("state", f"it cannot be kept in a table: {refusal}")
        filled.append(f"{table.filling} AS ({table.fill})")


def _makes_rows(node: Node, facts: DatabaseFacts) -> bool:
    if isinstance(node, Scan):
        return facts.has_rows(node)
    parts = (part for part in children(node) if not isinstance(part, Node))
    return any(
        isinstance(each, SqlFunction) and each.keyword == "ROW"
        for part in parts
        for each in walk(part)
    )


def _whole_rows(nodes: list[Node]) -> dict[str, str]:
    """The attributes that are whole rows, each with what made it if its type has no name, or ''."""
    found: dict[str, str] = {}
    size = -1
    while size != len(found):
        size = len(found)
        for node in nodes:
            for id, value in _handed_on(node):
                if isinstance(node, Project) and _is_row(value):
                    found[id] = value.construct if isinstance(value, Template) else ""
                    continue
                if isinstance(value, Cast) and "." in value.type.sql:
                    value = value.operand
                if isinstance(value, Column) and value.name in found:
                    found[id] = found[value.name]
    return found


def _is_row(expression: Expression) -> bool:
    match expression:
        case Template(construct=construct):
            return construct in NAMELESS
    return whole_rows.is_whole_row(expression)


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
