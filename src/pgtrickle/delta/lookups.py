"""By which columns the state of an operator is looked up in by those above it.

What joins a group or a row of a window finds it by the columns that its condition equates, and
these need not be all the keys, nor the first: of items sold by text and day, ``item in (select item
from …)`` asks for the item alone. Without an index the whole state is read for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pgtrickle.delta.restriction import Matching
from pgtrickle.delta.state import ColumnType, fit_an_index
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
    UnionAll,
    Window,
    walk_nodes,
)
from pgtrickle.query.expression import Column
from pgtrickle.query.keys import equalities

Lookups = dict[int, list[frozenset[str]]]
"""By the id of a stateful node, the sets of its attributes that are looked up together."""


def lookups(root: Node) -> Lookups:
    """What joins above each stateful node equate, and windows are parted by."""
    found: Lookups = {}
    for node in walk_nodes(root):
        match node:
            case Filter(child=Join() as join):
                _joined(join, equalities(node.predicate) | equalities(join.condition), found)
            case Join() | OuterJoin() | SemiJoin() | MarkJoin():
                _joined(node, equalities(node.condition), found)
            case Window() | TopN():
                _add(node.child, (e.name for e in node.partition if isinstance(e, Column)), found)
    return found


def lookup(
    asked: Iterable[frozenset[str]], matching: Matching, types: Mapping[str, ColumnType]
) -> tuple[str, ...]:
    """The columns of a further index on a state, beside the one that serves `matching`.

    `types`: of its keys. Where several sets are asked, it serves those that hold one another.
    """
    served = () if matching.hashed else matching.keys
    first: list[str] = []
    for names in sorted(asked, key=lambda names: (len(names), sorted(names))):
        if set(first) < names <= set(types) and names != set(served[: len(names)]):
            wanted = [*first, *(key for key in matching.keys if key in names - set(first))]
            if fit_an_index(types[key].width for key in wanted):
                first = wanted
    return tuple(first) or matching.lookup


def _joined(
    node: Join | OuterJoin | SemiJoin | MarkJoin, equal: frozenset[tuple[str, str]], found: Lookups
) -> None:
    for read, other in ((node.left, node.right), (node.right, node.left)):
        here, there = frozenset(read.ids), frozenset(other.ids)
        _add(read, (a for a, b in equal if a in here and b in there), found)


def _add(read: Node, ids: Iterable[str], found: Lookups) -> None:
    asked: dict[int, set[str]] = {}
    for attribute in ids:
        for owner, name in _owners(read, attribute):
            asked.setdefault(owner, set()).add(name)
    for owner, names in asked.items():
        found.setdefault(owner, []).append(frozenset(names))


def _owners(node: Node, wanted: str) -> Iterator[tuple[int, str]]:
    """The stateful nodes that an attribute is taken from unchanged, and its name there."""
    match node:
        case Aggregate() | Window() | TopN():
            yield id(node), wanted
        case Project():
            for attribute, expression in node.items:
                if attribute.id == wanted and isinstance(expression, Column):
                    yield from _owners(node.child, expression.name)
        case UnionAll():
            position = node.ids.index(wanted)
            for branch in node.branches:
                yield from _owners(branch, branch.ids[position])
        case Filter() | Shared() | Join() | OuterJoin() | SemiJoin() | MarkJoin():
            for child in node.children:
                if wanted in child.ids:
                    yield from _owners(child, wanted)
