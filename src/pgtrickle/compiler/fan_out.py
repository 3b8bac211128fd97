"""Which sources have changes that may lead to many rows each: worth a look whether they are any.

An update of a column that the query does not read, but another consumer of the source does, is
captured: as a row that goes and the same row that comes. Where a row is looked at once, the two
cancel out in what follows at little cost. Where each is joined with a thousand rows, or has a
partition computed again, they must not get so far.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgtrickle.delta import aggregate
from pgtrickle.delta.state import States
from pgtrickle.query.algebra import (
    Aggregate,
    Filter,
    Join,
    MarkJoin,
    Node,
    OuterJoin,
    Project,
    Scan,
    SemiJoin,
    Shared,
    UnionAll,
)
from pgtrickle.query.keys import equalities, keys, matches_one

Equal = frozenset[tuple[str, str]]


def fan_out(root: Node, states: States) -> frozenset[int]:
    """OIDs of the sources of which one changed row may change many in the result or a state."""
    return frozenset(_fan_out(root, False, frozenset(), states))


def _fan_out(node: Node, many: bool, equal: Equal, states: States) -> Iterator[int]:
    """`many`: each change costs much in what stands above `node`; `equal`: as in `keys`."""
    match node:
        case Scan():
            if many:
                yield node.relid
            return
        case Filter():
            yield from _fan_out(node.child, many, equal | equalities(node.predicate), states)
            return
        case Join() | OuterJoin() | SemiJoin() | MarkJoin():
            pairs = equalities(node.condition)
            if isinstance(node, Join):
                pairs |= equal
            for child, other in ((node.left, node.right), (node.right, node.left)):
                # Whether a left row has a match at all is seen from the first.
                meets_one = (child is node.left and isinstance(node, SemiJoin | MarkJoin)) or (
                    matches_one(other, keys(other, pairs), child, pairs)
                )
                yield from _fan_out(child, many or not meets_one, pairs, states)
            return
        case Project() | Shared() | UnionAll():
            below = many
        case Aggregate() if id(node) in states.analyses:
            # What it hands on is compared with what it handed on before.
            below = _aggregates_again(node, states)
        case _:
            below = True
    for child in node.children:
        yield from _fan_out(child, below, frozenset(), states)


def _aggregates_again(node: Aggregate, states: States) -> bool:
    """Whether a row that goes and comes as it was may have its whole group aggregated again.

    Not where the rows of each value are counted: min and max see that none is missing.
    """
    analysis: aggregate.Analysis = states.analyses[id(node)]
    return analysis.is_open or any(
        each.afresh and not each.rarely and each.values is None for _, each in analysis.accumulators
    )
