"""LEFT and FULL join.

A left join is the inner join plus the unmatched left rows, extended with NULLs. With F the left
rows that flip (see `matching`), each with what it is now,

    δ(L ⟕ R) = δL ⟕ new(R)  +  old(L) ⋈ δR  +  F extended by NULLs, -1 where now matched, else +1

A full join adds the unmatched right rows, which change with δR against new(L), and by the right
rows that flip because of δL:

    δ(L ⟗ R) = δ(L ⟕ R)  +  δR ▷ new(L)  +  F' extended by NULLs
"""

from __future__ import annotations

from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.matching import MATCHED, flipped
from pgtrickle.delta.relation import WEIGHT, Relation, netted, select, union_all
from pgtrickle.query.algebra import OuterJoin
from pgtrickle.query.render import render_expression


def _theta(node: OuterJoin) -> str:
    return "true" if node.condition is None else render_expression(node.condition)


def _columns(node: OuterJoin) -> list[str]:
    return [f"l.{id}" for id in node.left.ids] + [f"r.{id}" for id in node.right.ids]


def _outer(node: OuterJoin, left: Relation, right: Relation) -> Relation:
    kind = "FULL" if node.full else "LEFT"
    source = f"FROM {left.source('l')} {kind} JOIN {right.source('r')} ON {_theta(node)}"
    # (Weighted on the left: the step of a recursion.)
    weight = [f"l.{WEIGHT}"] if left.weighted else []
    return Relation(select([*_columns(node), *weight], source), node.ids, left.weighted)


def _initial(node: OuterJoin, maintenance: Maintenance) -> Relation:
    return _outer(node, maintenance.initial(node.left), maintenance.initial(node.right))


def _new(node: OuterJoin, maintenance: Maintenance) -> Relation:
    return _outer(node, maintenance.new(node.left), maintenance.new(node.right))


def _delta(node: OuterJoin, maintenance: Maintenance) -> Relation:
    terms = []
    theta, columns = _theta(node), _columns(node)
    left, right = maintenance.shared_delta(node.left), maintenance.shared_delta(node.right)
    if left is not None:
        new_right = maintenance.new(node.right).source("r")
        terms.append(
            select(
                [*columns, f"l.{WEIGHT}"],
                f"FROM {left.source('l')} LEFT JOIN {new_right} ON {theta}",
            )
        )
    if right is not None:
        matched = [
            select(
                [*columns, f"{old.weights('l')} * r.{WEIGHT} AS {WEIGHT}"],
                f"FROM {old.source('l')} JOIN {right.source('r')} ON {theta}",
            )
            for old in maintenance.old_terms(node.left)
        ]
        if len(matched) > 1:  # see `flipped`
            matched = [netted(Relation(union_all(matched), node.ids, weighted=True)).sql]
        terms += matched
        terms.append(_flips(node, maintenance, of_left=True))
    if node.full and right is not None:
        new_left = maintenance.new(node.left).source("l")
        terms.append(
            select(
                [*_padded(node, "r", of_left=False), f"r.{WEIGHT}"],
                f"FROM {right.source('r')}",
                f"WHERE NOT EXISTS (SELECT FROM {new_left} WHERE {theta})",
            )
        )
    if node.full and left is not None:
        terms.append(_flips(node, maintenance, of_left=False))
    return maintenance.share(Relation(union_all(terms), node.ids, weighted=True))


def _padded(node: OuterJoin, alias: str, *, of_left: bool) -> list[str]:
    """Columns of one side, the other side's NULL.

    The NULLs take their type from the first term, which reads both sides.
    """
    kept = frozenset(node.left.ids if of_left else node.right.ids)
    return [f"{alias}.{id}" if id in kept else f"NULL AS {id}" for id in node.ids]


def _flips(node: OuterJoin, maintenance: Maintenance, *, of_left: bool) -> str:
    kept, other = (node.left, node.right) if of_left else (node.right, node.left)
    known = maintenance.states.matches.get(id(node)) if of_left else None
    rows = flipped(kept, other, node.condition, maintenance, known)
    if rows is None:
        raise ValueError("an unchanged side flips nothing")
    weight = f"x.{WEIGHT} * CASE WHEN x.{MATCHED} THEN -1 ELSE 1 END AS {WEIGHT}"
    return select([*_padded(node, "x", of_left=of_left), weight], f"FROM {rows.source('x')}")


OUTER_JOIN = Rules(initial=_initial, new=_new, old=None, delta=_delta)
