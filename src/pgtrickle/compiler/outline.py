"""The operator tree as lines of text, for people."""

from __future__ import annotations

from collections.abc import Iterator

from pgtrickle.delta.aggregate import Analysis
from pgtrickle.delta.first_rows import cut
from pgtrickle.delta.moving import range_of
from pgtrickle.delta.state import States
from pgtrickle.query.algebra import (
    Aggregate,
    Constant,
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
from pgtrickle.query.lowering.conditions import conjuncts


def outline(node: Node, states: States, depth: int = 0) -> Iterator[str]:
    """One line for each operator, indented by depth; projections that only rename are left out."""
    line = _line(node, states)
    if line:
        yield "  " * depth + line + _kept(node, states)
        depth += 1
    if isinstance(node, Recursion) and not states.analyses[id(node)].follows:
        return
    for child in node.children:
        yield from outline(child, states, depth)


def _kept(node: Node, states: States) -> str:
    """Where a stateful operator keeps what it needs."""
    names = [
        table.name
        for owner, table in states.tables.items()
        if owner == id(node) or (isinstance(owner, tuple) and owner[0] == id(node))
    ]
    if id(node) in states.visible:
        names.append("the stream table itself")
    return f" (state: {', '.join(names)})" if names else ""


def _line(node: Node, states: States) -> str:
    match node:
        case Scan():
            return f"scan {node.schema}.{node.name}: captured changes"
        case Constant(former=None):
            return "constant rows: never change"
        case MovingFilter():
            return _moving_filter(node)
        case MovingProject():
            return "projection that reads the time: all rows read, those that differ exchanged"
        case Constant():
            return "constant rows that read the time: exchanged where they differ"
        case Filter():
            return "filter: linear"
        case Project() | Shared():
            return ""
        case Join():
            return "join: linear" if node.condition is not None else "cross join: linear"
        case UnionAll():
            return "union all: linear"
        case Recursion():
            return _recursion(node, states)
        case Working():
            return f"{node.recursion}: rows found by the recursion"
        case OuterJoin():
            kind = "full" if node.full else "left"
            return f"{kind} join: linear, and rows that gain or lose their match"
        case SemiJoin():
            kind = "anti join" if node.negated else "semi join"
            return f"{kind}: linear, and rows that gain or lose their match"
        case MarkJoin():
            return "mark join: linear, and rows that gain or lose their match"
        case Expand() | Replicate():
            return "expand rows: linear"
        case Window():
            kept = "" if node.where is None else ", some of the rows kept"
            return f"window ({len(node.partition)} keys): {_of_partitions(node)}{kept}"
        case TopN():
            return f"{node.construct.lower()} ({len(node.partition)} keys): {_of_partitions(node)}"
        case Aggregate():
            return _aggregate(node, states)
    return type(node).__name__


def _moving_filter(node: MovingFilter) -> str:
    if all(range_of(each) for each in conjuncts(node.predicate)):
        return "filter by time: rows in the range that passed enter or leave"
    return "filter by time: all rows read, those that enter or leave passed on"


def _recursion(node: Recursion, states: States) -> str:
    union = "union" if node.distinct else "union all"
    head = f"recursive {union} ({node.name})"
    if not states.analyses[id(node)].follows:
        return f"{head}: computed again, differences passed on"
    if node.distinct:
        return f"{head}: additions followed; computed again when a row is taken away"
    return f"{head}: changes followed"


def _aggregate(node: Aggregate, states: States) -> str:
    analysis: Analysis = states.analyses[id(node)]
    calls = {attribute.id: call for attribute, call in node.aggregates}
    afresh = sorted({calls[id].name[-1] for id in analysis.forcing})
    how = "carried forward from stored state"
    if afresh:
        how = f"touched groups aggregated afresh ({', '.join(afresh)})"
    elif not analysis.keys_are_images:
        how += (
            "; afresh where the row is removed that shows the key, of those that print differently"
        )
    return f"{node.construct.lower()} ({len(node.keys)} keys, {len(calls)} aggregates): {how}"


def _of_partitions(node: Window | TopN) -> str:
    if cut(node) is None:
        return "touched partitions computed again"
    return "carried forward from the rows kept, or computed again"
