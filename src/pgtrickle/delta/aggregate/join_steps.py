"""Joins taken apart by the side whose changes may be added up before them (see `eager`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.query.algebra import (
    Filter,
    Join,
    Node,
    OuterJoin,
    Project,
    Scan,
    Shared,
    walk_nodes,
)
from pgtrickle.query.expression import Column, Expression, Operator
from pgtrickle.query.lowering.conditions import conjuncts
from pgtrickle.query.pruning import columns_of


@dataclass(frozen=True, slots=True)
class Step:
    """A `join` of which one `side` changed: the conditions on that side alone, and all others.

    `keeps`: each row of that side is in the result, be it without a partner. `flips`: rows of the
    other one are, too.
    """

    join: Join | OuterJoin
    side: Node
    other: Node
    own: tuple[Expression, ...]
    across: tuple[Expression, ...]
    keeps: bool = False
    flips: bool = False

    def reads(self, above: frozenset[str]) -> frozenset[str]:
        """The columns of the side that are read by the join, or are among those `above`."""
        return (columns_of(self.across) | above) & frozenset(self.side.ids)


def steps(node: Node, read: frozenset[str], maintenance: Maintenance) -> Iterator[Step]:
    """The join taken apart by each side that changed and has all columns that are `read`."""
    if not isinstance(node, Join | OuterJoin) or (isinstance(node, OuterJoin) and node.full):
        return
    outer = isinstance(node, OuterJoin)
    for side, other in ((node.left, node.right), (node.right, node.left)):
        if not (read <= frozenset(side.ids) and maintenance.is_changed(side)):
            continue
        if maintenance.is_changed(other):
            of_tables = all(isinstance(each, OF_TABLES) for each in walk_nodes(node))
            if not of_tables or (outer and side is node.right):
                continue
        conditions = conjuncts(node.condition)
        own = tuple(each for each in conditions if reads_only(each, side))
        across = tuple(each for each in conditions if each not in own)
        if outer and side is node.left:
            step = Step(node, side, other, own, across, keeps=True)
            fits = not own and all(
                _equates(each, side, other) or reads_only(each, other) for each in across
            )
        else:
            step = Step(node, side, other, own, across, flips=outer)
            fits = _keeps_its_rows(other) and all(_equates(each, side, other) for each in across)
        if fits:
            yield step


OF_TABLES = (Scan, Filter, Project, Join, OuterJoin, Shared)
"""What PostgreSQL looks rows up in by the indexes of tables, as it is now."""


def _keeps_its_rows(node: Node) -> bool:
    """Whether it is made of tables and joins of them, with no condition that chooses rows."""
    return all(isinstance(each, Scan | Join | Project | Shared) for each in walk_nodes(node))


def reads_only(condition: Expression, side: Node) -> bool:
    reads = columns_of(condition)
    return bool(reads) and reads <= frozenset(side.ids)


def _equates(condition: Expression, side: Node, other: Node) -> bool:
    """Whether it equates a column of the side with something of the other."""
    match condition:
        case Operator(name=("=",), left=Expression() as left, right=right):
            return any(
                isinstance(here, Column) and here.name in side.ids and reads_only(there, other)
                for here, there in ((left, right), (right, left))
            )
    return False
