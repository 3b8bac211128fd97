"""Semi, anti and mark join: EXISTS, IN and their negations.

Of sides that are known as they were, so is the join. With F the left rows that flip (see
`matching`):

    δ(L ⋉ R) = δL ⋉ new(R)  +  F, +1 where now matched, else -1
    δ(L ▷ R) = δL ▷ new(R)  +  F, -1 where now matched, else +1
    δ(mark)  = δL with its mark against new(R)  +  F with the new mark  -  F with the old mark

A right side of one row that is compared, and not equated, is computed first and kept: PostgreSQL
would join it by a nested loop, and where it expects one left row compute it again for each.
"""

from __future__ import annotations

from pgtrickle.delta.join import MOST_TERMS
from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.matching import MATCHED, flipped, take_apart
from pgtrickle.delta.relation import WEIGHT, Relation, select, union_all
from pgtrickle.query.algebra import MarkJoin, SemiJoin
from pgtrickle.query.comparing import ONE_ROW
from pgtrickle.query.keys import keys
from pgtrickle.query.render import render_expression


def _exists(node: SemiJoin | MarkJoin, right: Relation) -> str:
    theta = "" if node.condition is None else f" WHERE {render_expression(node.condition)}"
    parts = take_apart(node.condition, node.left, node.right)
    if parts.rest and not parts.equal and ONE_ROW in keys(node.right):
        kept = f"WITH r AS MATERIALIZED (SELECT * FROM {right.source('r')})"
        return f"EXISTS ({kept} SELECT FROM r{theta})"
    return f"EXISTS (SELECT FROM {right.source('r')}{theta})"


def _semi(node: SemiJoin, left: Relation, right: Relation) -> Relation:
    negation = "NOT " if node.negated else ""
    sql = select(["l.*"], f"FROM {left.source('l')}", f"WHERE {negation}{_exists(node, right)}")
    return Relation(sql, left.ids, left.weighted)


def _mark(node: MarkJoin, left: Relation, right: Relation) -> Relation:
    weight = [f"l.{WEIGHT}"] if left.weighted else []
    items = [*(f"l.{id}" for id in left.ids), f"{_exists(node, right)} AS {node.mark.id}", *weight]
    return Relation(select(items, f"FROM {left.source('l')}"), node.ids, left.weighted)


def _by_terms(node: SemiJoin, left: Relation, right: list[Relation]) -> list[Relation]:
    """The join with a right side of several sets of rows: each is looked up in by its indexes.

    As one UNION ALL none can be. A row that has a match in one is not asked for in those after it.
    """
    found = [_exists(node, term) for term in right]
    none = [f"NOT {each}" for each in found]
    ways = [none] if node.negated else [[*none[:i], each] for i, each in enumerate(found)]
    return [
        Relation(
            select(["l.*"], f"FROM {left.source('l')}", f"WHERE {' AND '.join(way)}"),
            left.ids,
            left.weighted,
        )
        for way in ways
    ]


def _right_terms(node: SemiJoin, maintenance: Maintenance) -> list[Relation]:
    """What the right side is now, as sets of rows in which the condition can be looked up."""
    parts = take_apart(node.condition, node.left, node.right)
    if not parts.equal:
        return [maintenance.new(node.right)]
    return maintenance.new_terms(node.right)


def _old(node: SemiJoin | MarkJoin, maintenance: Maintenance) -> Relation:
    if not maintenance.has_old(node):
        return maintenance.taken_back(node)
    left, right = maintenance.old(node.left), maintenance.old(node.right)
    return _semi(node, left, right) if isinstance(node, SemiJoin) else _mark(node, left, right)


def _semi_new_terms(node: SemiJoin, maintenance: Maintenance) -> list[Relation]:
    left, right = maintenance.new_terms(node.left), _right_terms(node, maintenance)
    if len(left) * len(right) > MOST_TERMS:
        left = [maintenance.new(node.left)]
    return [each for term in left for each in _by_terms(node, term, right)]


def _semi_delta(node: SemiJoin, maintenance: Maintenance) -> Relation:
    terms = []
    left = maintenance.shared_delta(node.left)
    if left is not None:
        terms += [each.sql for each in _by_terms(node, left, _right_terms(node, maintenance))]
    rows = flipped(node.left, node.right, node.condition, maintenance)
    if rows is not None:
        come, go = ("-1", "1") if node.negated else ("1", "-1")
        weight = f"x.{WEIGHT} * CASE WHEN x.{MATCHED} THEN {come} ELSE {go} END AS {WEIGHT}"
        columns = [f"x.{id}" for id in node.left.ids]
        terms.append(select([*columns, weight], f"FROM {rows.source('x')}"))
    return maintenance.share(Relation(union_all(terms), node.ids, weighted=True))


def _mark_delta(node: MarkJoin, maintenance: Maintenance) -> Relation:
    terms = []
    left = maintenance.shared_delta(node.left)
    if left is not None:
        terms.append(_mark(node, left, maintenance.new(node.right)).sql)
    rows = flipped(node.left, node.right, node.condition, maintenance)
    if rows is not None:
        flips = maintenance.share(rows)
        columns = [f"x.{id}" for id in node.left.ids]
        terms += [
            select(
                [*columns, f"{mark} AS {node.mark.id}", f"{sign} x.{WEIGHT} AS {WEIGHT}"],
                f"FROM {flips.source('x')}",
            )
            for mark, sign in ((f"x.{MATCHED}", ""), (f"NOT x.{MATCHED}", "-"))
        ]
    return maintenance.share(Relation(union_all(terms), node.ids, weighted=True))


SEMI_JOIN = Rules(
    initial=lambda node, m: _semi(node, m.initial(node.left), m.initial(node.right)),
    new=lambda node, m: _semi(node, m.new(node.left), m.new(node.right)),
    old=_old,
    delta=_semi_delta,
    new_terms=_semi_new_terms,
)
MARK_JOIN = Rules(
    initial=lambda node, m: _mark(node, m.initial(node.left), m.initial(node.right)),
    new=lambda node, m: _mark(node, m.new(node.left), m.new(node.right)),
    old=_old,
    delta=_mark_delta,
)
