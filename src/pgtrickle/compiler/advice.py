"""Which indexes on the sources the deltas could use: the columns by which rows are looked up.

A changed row is joined with the other side through the columns that the condition equates; a
group, or a partition, that is computed again is read through its keys. Where these are columns of
a table, an index on them finds the rows; without one the table is scanned. What stands above
an operator with a state table reads that table, which has its own index.

Whether an index exists already is not asked here: it may come and go after compilation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pgtrickle.delta import aggregate
from pgtrickle.delta.moving import range_of
from pgtrickle.delta.state import States
from pgtrickle.plan import IndexAdvice
from pgtrickle.query.algebra import (
    Aggregate,
    Filter,
    Join,
    MarkJoin,
    MovingFilter,
    Node,
    OuterJoin,
    Project,
    Recursion,
    Scan,
    SemiJoin,
    Shared,
    TopN,
    UnionAll,
    Window,
    scans,
)
from pgtrickle.query.expression import Column, Expression
from pgtrickle.query.keys import equalities
from pgtrickle.query.lowering.conditions import conjuncts

ALWAYS_READ_AGAIN = frozenset({"min", "max"})
"""Aggregates whose groups are read again when the row that gave the value goes."""

Equal = frozenset[tuple[str, str]]


def advise(root: Node, states: States) -> tuple[IndexAdvice, ...]:
    """The lookups of the deltas of a tree, each table and column list once."""
    found: dict[tuple[int, tuple[str, ...]], IndexAdvice] = {}
    for advice in _advise(root, states, frozenset()):
        found.setdefault((advice.relid, tuple(sorted(advice.columns))), advice)
    return tuple(found.values())


def _advise(node: Node, states: States, equal: Equal) -> Iterator[IndexAdvice]:
    match node:
        case MovingFilter():
            found = filter(None, map(range_of, conjuncts(node.predicate)))
            ranges = _names(x for x, _ in found)
            for name in ranges:
                yield from _of_columns(node.child, [name], "rows enter and leave by time", states)
            yield from _advise(node.child, states, equal)
            return
        case Filter():
            yield from _advise(node.child, states, equal | equalities(node.predicate))
            return
        case Join() | OuterJoin() | SemiJoin() | MarkJoin():
            pairs = equalities(node.condition) | (equal if isinstance(node, Join) else frozenset())
            yield from _lookups(node.right, node.left, pairs, states)
            yield from _lookups(node.left, node.right, pairs, states)
            equal = pairs if isinstance(node, Join) else frozenset()
        case Aggregate() if node.keys and reads_again(node, states):
            keys = [expression for _, expression in node.keys]
            why = f"groups of {node.construct.lower()} are aggregated again"
            yield from _of_columns(node.child, _names(keys), why, states)
            equal = frozenset()
        case Window() | TopN() if node.partition:
            what = "window" if isinstance(node, Window) else node.construct.lower()
            why = f"partitions of {what} are computed again"
            yield from _of_columns(node.child, _names(node.partition), why, states)
            equal = frozenset()
        case Recursion() if not states.analyses[id(node)].follows:
            return
        case _:
            equal = frozenset()
    for child in node.children:
        yield from _advise(child, states, equal)


def reads_again(node: Aggregate, states: States) -> bool:
    """Whether a change of a group may have the whole group aggregated again."""
    analysis: aggregate.Analysis = states.analyses[id(node)]
    return (
        analysis.is_open
        or any(each.afresh == "true" for _, each in analysis.accumulators)
        or any(call.name[-1] in ALWAYS_READ_AGAIN for _, call in node.aggregates)
    )


def _lookups(changed: Node, read: Node, equal: Equal, states: States) -> Iterator[IndexAdvice]:
    """How rows of `read` are found for a change of the other side."""
    if not any(True for _ in scans(changed)):
        return
    there = frozenset(changed.ids)
    wanted = sorted({b for a, b in equal if a in there and b in read.ids})
    yield from _of_columns(read, wanted, "it is joined with what changes", states)


def _names(expressions: Iterable[Expression]) -> list[str]:
    return [expression.name for expression in expressions if isinstance(expression, Column)]


def _of_columns(node: Node, ids: Iterable[str], why: str, states: States) -> Iterator[IndexAdvice]:
    """One advice for each table under `node` that the attributes come from."""
    columns: dict[int, tuple[Scan, list[str]]] = {}
    for id in ids:
        for scan, column in _origins(node, id, states):
            columns.setdefault(scan.relid, (scan, []))[1].append(column)
    for scan, names in columns.values():
        unique = tuple(dict.fromkeys(names))
        yield IndexAdvice(scan.relid, scan.schema, scan.name, unique, why)


def _origins(node: Node, wanted: str, states: States) -> Iterator[tuple[Scan, str]]:
    """The table columns that an attribute is taken from unchanged, below no state table."""
    match node:
        case Scan():
            for attribute, name in node.columns:
                if attribute.id == wanted:
                    yield node, name
        case Project():
            for attribute, expression in node.items:
                if attribute.id == wanted and isinstance(expression, Column):
                    yield from _origins(node.child, expression.name, states)
        case UnionAll():
            position = node.ids.index(wanted)
            for branch in node.branches:
                yield from _origins(branch, branch.ids[position], states)
        case Filter() | Shared() | Join() | OuterJoin() | SemiJoin() | MarkJoin():
            for child in node.children:
                if id(child) not in states.tables and wanted in child.ids:
                    yield from _origins(child, wanted, states)
