"""The operators and their rules."""

from __future__ import annotations

from collections.abc import Mapping

from pgtrickle.delta import aggregate, partitioned, recursion
from pgtrickle.delta.aggregate import AGGREGATE
from pgtrickle.delta.join import JOIN
from pgtrickle.delta.linear import EXPAND, FILTER, PROJECT, REPLICATE, SHARED, UNION_ALL
from pgtrickle.delta.lookups import lookups
from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.moving import MOVING_FILTER, MOVING_PROJECT
from pgtrickle.delta.outer_join import OUTER_JOIN
from pgtrickle.delta.partitioned import PARTITIONED
from pgtrickle.delta.recursion import RECURSION, WORKING
from pgtrickle.delta.scan import CONSTANT, DOMAIN, SCAN
from pgtrickle.delta.semi_join import MARK_JOIN, SEMI_JOIN
from pgtrickle.delta.target import Target
from pgtrickle.delta.types import learn_types
from pgtrickle.query.algebra import (
    Aggregate,
    Constant,
    Domain,
    Expand,
    Filter,
    Join,
    MarkJoin,
    MovingFilter,
    MovingProject,
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
)

RULES: Mapping[type[Node], Rules] = {
    Scan: SCAN,
    Constant: CONSTANT,
    Domain: DOMAIN,
    Filter: FILTER,
    Project: PROJECT,
    MovingFilter: MOVING_FILTER,
    MovingProject: MOVING_PROJECT,
    Join: JOIN,
    Replicate: REPLICATE,
    Expand: EXPAND,
    OuterJoin: OUTER_JOIN,
    SemiJoin: SEMI_JOIN,
    MarkJoin: MARK_JOIN,
    UnionAll: UNION_ALL,
    Shared: SHARED,
    Aggregate: AGGREGATE,
    Window: PARTITIONED,
    TopN: PARTITIONED,
    Recursion: RECURSION,
    Working: WORKING,
}


def prepare(root: Node, target: Target, maintenance: Maintenance) -> None:
    """Analyse stateful operators, innermost first, and create their state tables."""
    maintenance.states.token = target.token
    maintenance.states.lookups = lookups(root)
    learn_types(root, maintenance.rules, maintenance.states)
    aggregate.make_visible(root, target, maintenance.states)
    _prepare(root, maintenance)


def _prepare(node: Node, maintenance: Maintenance) -> None:
    if id(node) in maintenance.states.tables:
        return  # shared, and seen before
    if isinstance(node, Recursion) and not recursion.analyse(node, maintenance).follows:
        # It is always computed again as a whole: nothing below it is kept.
        recursion.prepare(node, maintenance)
        return
    for child in node.children:
        _prepare(child, maintenance)
    match node:
        case Recursion():
            recursion.prepare(node, maintenance)
        case Aggregate():
            aggregate.prepare(node, maintenance)
        case Window() | TopN():
            partitioned.prepare(node, maintenance)
