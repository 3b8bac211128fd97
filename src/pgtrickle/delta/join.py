"""Inner and cross join.

    δ(L ⋈ R) = δL ⋈ new(R)  +  old(L) ⋈ δR

Only sides that changed give terms: with one changed source the delta is one join of the changes
with the current tables. Where both changed, old(L) is new(L) - δL, taken as two terms. Weights
multiply.

A right side that is known as it was, as a subquery's groups are that have state, is then joined the
other way round:

    δ(L ⋈ R) = δL ⋈ old(R)  +  new(L) ⋈ δR

Its state is a table with an index, and looked up in; what it is now are two sets of rows, of which
PostgreSQL would read all. And the three terms would give three rows for each of δL, and a query of
fifteen such values, joined one after the other, 3^15 of them.

A change is joined first with what its condition reads. PostgreSQL would find that by itself in a
join of twelve tables, but not of more: what stands further out it joins last, with all the rest.
"""

from __future__ import annotations

from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.relation import WEIGHT, Relation, select, union_all
from pgtrickle.delta.single import known_as_it_was
from pgtrickle.query.algebra import Filter, Join, Node
from pgtrickle.query.expression import Expression
from pgtrickle.query.lowering.conditions import conjunction, conjuncts
from pgtrickle.query.pruning import columns_of
from pgtrickle.query.render import render_expression


def _join(node: Join, left: Relation, right: Relation) -> Relation:
    return joined(node.condition, left, right)


def joined(condition: Expression | None, left: Relation, right: Relation) -> Relation:
    """The inner join of two relations, weighted if one of them is."""
    weighted = left.weighted or right.weighted
    items = [f"l.{id}" for id in left.ids] + [f"r.{id}" for id in right.ids]
    if weighted:
        items.append(f"{left.weights('l')} * {right.weights('r')} AS {WEIGHT}")
    if condition is None:
        source = f"FROM {left.source('l')} CROSS JOIN {right.source('r')}"
    else:
        on = render_expression(condition)
        source = f"FROM {left.source('l')} JOIN {right.source('r')} ON {on}"
    return Relation(select(items, source), left.ids + right.ids, weighted)


def present_with_change(
    side: Node, change: Relation, condition: Expression | None, maintenance: Maintenance
) -> list[Relation]:
    """new(side) ⋈ change, by terms."""
    terms = maintenance.new_terms(side)
    if len(terms) > 1:
        return [joined(condition, term, change) for term in terms]
    return [from_change(side, change, condition, maintenance)]


def past_with_change(
    side: Node, change: Relation, condition: Expression | None, maintenance: Maintenance
) -> list[Relation]:
    """old(side) ⋈ change, by terms."""
    known = maintenance.known_terms(side)
    if known is not None:
        return [joined(condition, term, change) for term in known]
    present, *taken_back = maintenance.old_terms(side)
    if maintenance.has_old(side) and maintenance.is_changed(side):
        rows = [joined(condition, present, change)]
    else:
        rows = present_with_change(side, change, condition, maintenance)
    return rows + [joined(condition, old, change) for old in taken_back]


def from_change(
    left: Node, change: Relation, condition: Expression | None, maintenance: Maintenance
) -> Relation:
    """new(left) ⋈ change, joined from the change on; weighted if that is."""
    if type(left) is Filter:
        near = from_change(left.child, change, condition, maintenance)
        where = f"WHERE {render_expression(left.predicate)}"
        return Relation(select(["*"], f"FROM {near.source('f')}", where), near.ids, near.weighted)
    if isinstance(left, Join):
        for child, other in ((left.left, left.right), (left.right, left.left)):
            first, rest = _of_child(condition, child, change)
            if first is None:
                continue
            near = from_change(child, change, first, maintenance)
            both = conjunction([*conjuncts(left.condition), *rest])
            rows = joined(both, near, maintenance.new(other))
            ids = left.ids + change.ids
            weight = [WEIGHT] if rows.weighted else []
            sql = select([*ids, *weight], f"FROM {rows.source('j')}")
            return Relation(sql, ids, rows.weighted)
    return joined(condition, maintenance.new(left), change)


def _of_child(
    condition: Expression | None, child: Node, change: Relation
) -> tuple[Expression | None, list[Expression]]:
    """What of a condition ties a change to a child, and the rest of it; nothing where none does."""
    here, there = frozenset(child.ids), frozenset(change.ids)
    first: list[Expression] = []
    rest: list[Expression] = []
    for conjunct in conjuncts(condition):
        reads = columns_of(conjunct)
        (first if reads <= here | there else rest).append(conjunct)
    if not any(columns_of(conjunct) & here for conjunct in first):
        return None, []
    return conjunction(first), rest


def _initial(node: Join, maintenance: Maintenance) -> Relation:
    return _join(node, maintenance.initial(node.left), maintenance.initial(node.right))


def _new(node: Join, maintenance: Maintenance) -> Relation:
    return _join(node, maintenance.new(node.left), maintenance.new(node.right))


MOST_TERMS = 4
"""Of a join as it is now; more take longer to plan than what they save."""


def _new_terms(node: Join, maintenance: Maintenance) -> list[Relation]:
    left, right = maintenance.new_terms(node.left), maintenance.new_terms(node.right)
    if len(left) * len(right) > MOST_TERMS:
        return [_new(node, maintenance)]
    return [_join(node, a, b) for a in left for b in right]


def _old_terms(node: Join, maintenance: Maintenance) -> list[Relation] | None:
    """Of a side that is known as it was, a subquery's groups, and the terms of the other."""
    for side, other in ((node.right, node.left), (node.left, node.right)):
        former, terms = past_terms(side, other, maintenance)
        if former is not None and terms is not None:
            return [
                _join(node, *((t, former) if other is node.left else (former, t))) for t in terms
            ]
    return None


def past_terms(
    side: Node, other: Node, maintenance: Maintenance
) -> tuple[Relation | None, list[Relation] | None]:
    """A side of a join as it was, where that is known, and terms of the other as it was.

    Where the side did not change, only those that are themselves made of what is known.
    """
    if not maintenance.is_changed(side):
        return maintenance.new(side), maintenance.known_terms(other)
    former = known_as_it_was(side, maintenance)
    return former, None if former is None else maintenance.old_terms(other)


def _old(node: Join, maintenance: Maintenance) -> Relation:
    return _join(node, maintenance.old(node.left), maintenance.old(node.right))


def _delta(node: Join, maintenance: Maintenance) -> Relation:
    terms = []
    right = maintenance.delta(node.right)
    if right is not None and not maintenance.has_old(node.left):
        former = known_as_it_was(node.right, maintenance)
        if former is not None:
            left = maintenance.delta(node.left)
            if left is not None:
                terms.append(_join(node, left, former))
            terms += present_with_change(node.left, right, node.condition, maintenance)
            return Relation(union_all(term.sql for term in terms), node.ids, weighted=True)
    # Read twice where the right side changed too: old(L) = new(L) - δL.
    left = maintenance.delta(node.left) if right is None else maintenance.shared_delta(node.left)
    if left is not None:
        terms += [_join(node, left, each) for each in maintenance.new_terms(node.right)]
    if right is not None:
        terms += past_with_change(node.left, right, node.condition, maintenance)
    return Relation(union_all(term.sql for term in terms), node.ids, weighted=True)


JOIN = Rules(
    initial=_initial,
    new=_new,
    old=_old,
    delta=_delta,
    new_terms=_new_terms,
    old_terms=_old_terms,
)
