"""Filter, projection, expansion and UNION ALL: applied to any state, they give that state.

    δ(σ(R)) = σ(δR)      δ(π(R)) = π(δR)      δ(R ∪ S) = δR ∪ δS

Expansion (set-returning functions of a row, copies of a row) keeps the row's weight. The delta of
a shared relation is computed once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.relation import WEIGHT, Relation, select, union_all
from pgtrickle.query.algebra import Expand, Filter, Node, Project, Replicate, Shared, UnionAll
from pgtrickle.query.render import render_expression, render_from


def filtered(node: Filter, child: Relation) -> Relation:
    """σ of any state of its child."""
    predicate = render_expression(node.predicate)
    sql = select(["*"], f"FROM {child.source('f')}", f"WHERE {predicate}")
    return Relation(sql, child.ids, child.weighted)


def projected(node: Project, child: Relation) -> Relation:
    """π of any state of its child."""
    items = [f"{render_expression(e)} AS {attribute.id}" for attribute, e in node.items]
    weight = [WEIGHT] if child.weighted else []
    return Relation(
        select([*items, *weight], f"FROM {child.source('p')}"), node.ids, child.weighted
    )


def _replicate(node: Replicate, child: Relation) -> Relation:
    copies = f"generate_series(1, {render_expression(node.copies)})"
    sql = select(["r.*"], f"FROM {child.source('r')} CROSS JOIN LATERAL {copies} AS n (n)")
    return Relation(sql, child.ids, child.weighted)


def _expand(node: Expand, child: Relation) -> Relation:
    join = "LEFT JOIN" if node.outer else "CROSS JOIN"
    source = f"FROM {child.source('e')} {join} {render_from(node.source)}"
    weight = [f"e.{WEIGHT}"] if child.weighted else []
    items = [*(f"e.{id}" for id in child.ids), *(a.id for a in node.outputs), *weight]
    on = "true" if node.condition is None else render_expression(node.condition)
    return Relation(
        select(items, source, f"ON {on}" if node.outer else ""), node.ids, child.weighted
    )


def _union(node: UnionAll, branches: list[Relation], empty: list[bool]) -> Relation:
    """All branches, so that the columns' types are always resolved alike; some may be empty."""
    weighted = any(branch.weighted for branch in branches)
    parts = []
    for branch, is_empty in zip(branches, empty, strict=True):
        items = [f"u.{a} AS {b}" for a, b in zip(branch.ids, node.ids, strict=True)]
        weight = [f"{branch.weights('u')} AS {WEIGHT}"] if weighted else []
        where = "WHERE false" if is_empty else ""
        parts.append(select([*items, *weight], f"FROM {branch.source('u')}", where))
    return Relation(union_all(parts), node.ids, weighted)


def _union_delta(node: UnionAll, maintenance: Maintenance) -> Relation:
    deltas = [maintenance.delta(branch) for branch in node.branches]
    branches = [
        maintenance.new(branch) if delta is None else delta
        for branch, delta in zip(node.branches, deltas, strict=True)
    ]
    return _union(node, branches, [delta is None for delta in deltas])


def _shared_delta(node: Shared, maintenance: Maintenance) -> Relation:
    delta = maintenance.shared_delta(node.child)
    if delta is None:
        raise ValueError("the delta of an unchanged relation was asked for")
    return delta


def changed(node: Node, maintenance: Maintenance) -> Relation:
    """The delta of a node known to be changed."""
    delta = maintenance.delta(node)
    if delta is None:
        raise ValueError("the delta of an unchanged relation was asked for")
    return delta


def _of_child(apply: Callable[[Any, Relation], Relation]) -> Rules:
    return Rules(
        initial=lambda node, m: apply(node, m.initial(node.child)),
        new=lambda node, m: apply(node, m.new(node.child)),
        old=lambda node, m: apply(node, m.old(node.child)),
        delta=lambda node, m: apply(node, changed(node.child, m)),
        new_terms=lambda node, m: [apply(node, term) for term in m.new_terms(node.child)],
        old_terms=lambda node, m: _each(apply, node, m.known_terms(node.child)),
    )


def _each(
    apply: Callable[[Any, Relation], Relation], node: Node, terms: list[Relation] | None
) -> list[Relation] | None:
    return None if terms is None else [apply(node, term) for term in terms]


def _of_branches(state: Callable[[Maintenance, Node], Relation]) -> Callable[..., Relation]:
    def rule(node: UnionAll, maintenance: Maintenance) -> Relation:
        branches = [state(maintenance, branch) for branch in node.branches]
        return _union(node, branches, [False] * len(branches))

    return rule


FILTER = _of_child(filtered)
PROJECT = _of_child(projected)
REPLICATE = _of_child(_replicate)
EXPAND = _of_child(_expand)
SHARED = Rules(
    initial=lambda node, m: m.initial(node.child),
    new=lambda node, m: m.new(node.child),
    old=lambda node, m: m.old(node.child),
    delta=lambda node, m: _shared_delta(node, m),
    new_terms=lambda node, m: m.new_terms(node.child),
    old_terms=lambda node, m: m.known_terms(node.child),
)
UNION_ALL = Rules(
    initial=_of_branches(Maintenance.initial),
    new=_of_branches(Maintenance.new),
    old=_of_branches(Maintenance.old),
    delta=_union_delta,
)
