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
"""

from __future__ import annotations

from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.relation import WEIGHT, Relation, select, union_all
from pgtrickle.delta.single import known_as_it_was
from pgtrickle.query.algebra import Join
from pgtrickle.query.render import render_expression


def _join(node: Join, left: Relation, right: Relation) -> Relation:
    weighted = left.weighted or right.weighted
    items = [f"l.{id}" for id in left.ids] + [f"r.{id}" for id in right.ids]
    if weighted:
        items.append(f"{left.weights('l')} * {right.weights('r')} AS {WEIGHT}")
    if node.condition is None:
        source = f"FROM {left.source('l')} CROSS JOIN {right.source('r')}"
    else:
        condition = render_expression(node.condition)
        source = f"FROM {left.source('l')} JOIN {right.source('r')} ON {condition}"
    return Relation(select(items, source), left.ids + right.ids, weighted)


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
            terms += [_join(node, each, right) for each in maintenance.new_terms(node.left)]
            return Relation(union_all(term.sql for term in terms), node.ids, weighted=True)
    # Read twice where the right side changed too: old(L) = new(L) - δL.
    left = maintenance.delta(node.left) if right is None else maintenance.shared_delta(node.left)
    if left is not None:
        terms += [_join(node, left, each) for each in maintenance.new_terms(node.right)]
    if right is not None:
        terms += [_join(node, old, right) for old in maintenance.old_terms(node.left)]
    return Relation(union_all(term.sql for term in terms), node.ids, weighted=True)


JOIN = Rules(initial=_initial, new=_new, old=_old, delta=_delta, new_terms=_new_terms)
