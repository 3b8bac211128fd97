"""An aggregation at the top of a query: its groups are the rows of the stream table.

Where the table shows the number of rows of each group, and every aggregate can be carried forward
from its own value, the table is its own state: `sum` over a column that is never NULL beside
``count(*)`` needs no other. A group then is one row, found once and written once.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgtrickle.delta.accumulators import GROUP_SIZE
from pgtrickle.delta.aggregate.analysis import Analysis, analyse
from pgtrickle.delta.restriction import HASH
from pgtrickle.delta.state import States, VisibleState
from pgtrickle.delta.target import Target, row_hash
from pgtrickle.query.algebra import Aggregate, Node, Project
from pgtrickle.query.expression import Column


@dataclass(frozen=True, slots=True)
class Grouped:
    """`ids`: for each column of the stream table, the aggregation's attribute that it shows."""

    node: Aggregate
    ids: tuple[str, ...]


def grouped(root: Node, target: Target) -> Grouped | None:
    """The aggregation whose groups are the rows of the stream table, whole and unchanged.

    None where there is something else on top, or where the table's key is not the group's.
    """
    shown = {id: id for id in root.ids}
    node = root
    while isinstance(node, Project):
        if node.expands or not all(isinstance(e, Column) for _, e in node.items):
            return None
        below = {a.id: e.name for a, e in node.items if isinstance(e, Column)}
        shown = {id: below[name] for id, name in shown.items()}
        node = node.child
    if not isinstance(node, Aggregate) or not node.keys or target.key is None:
        return None
    ids = tuple(shown[id] for id in root.ids)
    keys = [attribute.id for attribute, _ in node.keys]
    if set(ids) != set(node.ids) or sorted(ids[i] for i in target.key) != sorted(keys):
        return None
    return Grouped(node, ids)


def make_visible(root: Node, target: Target, states: States) -> None:
    """Where the stream table can be its own state, note that; before state tables are made."""
    groups = grouped(root, target)
    if groups is None:
        return
    analysis = analyse(groups.node, states)
    parts = _parts(analysis)
    in_order = tuple(groups.ids[i] for i in target.key or ()) == analysis.keys
    hashed = analysis.matching.hashed
    if parts is None or hashed != target.key_hashed or (hashed and not in_order):
        return
    if hashed and analysis.matching.textual:
        return  # the table's index may have another text
    names = dict(zip(groups.ids, target.names("t"), strict=True))
    items = [f"{names[key]} AS {key}" for key in analysis.keys]
    items += [f"{names[id]} AS {part}" for part, id in parts.items()]
    if hashed:
        items.append(f"{row_hash(target, target.names('t'), target.key)} AS {HASH}")
    places = "t.ctid AS __place, t.tableoid AS __part"
    read = f"(SELECT {', '.join(items)}, {places} FROM {target.token} AS t)"
    states.visible[id(groups.node)] = VisibleState(read)


def _parts(analysis: Analysis) -> dict[str, str] | None:
    """For each state column, the attribute that shows it; None where one is not shown."""
    if analysis.is_open:
        return None
    shown: dict[str, str] = {}
    for id, each in analysis.accumulators:
        if not each.is_its_part or (each.values is not None and each.values.stored):
            return None
        part = each.parts[0].name if each.parts else GROUP_SIZE
        shown.setdefault(part, id)
    return shown if GROUP_SIZE in shown else None
