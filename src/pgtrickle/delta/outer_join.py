"""LEFT and FULL join.

A left join is the inner join plus the unmatched left rows, extended with NULLs. With F the left
rows that flip (see `matching`), each with what it is now,

    δ(L ⟕ R) = δL ⟕ new(R)  +  old(L) ⋈ δR  +  F extended by NULLs, -1 where now matched, else +1

A full join adds the unmatched right rows, which change with δR against new(L), and by the right
rows that flip because of δL:

    δ(L ⟗ R) = δ(L ⟕ R)  +  δR ▷ new(L)  +  F' extended by NULLs

What an aggregate is now are two sets of rows, its touched groups and the others. PostgreSQL looks
nothing up in their union by an index, so each is joined on its own:

    δL ⟕ (R1 ∪ R2) = δL ⋈ R1  +  δL ⋈ R2  +  δL ▷ R1 ▷ R2 extended by NULLs

Of groups of which a left row meets one at most, that one is looked up as it was, by the index of
the state, and what came or went instead is put beside it.

Of sides that are known as they were, so is the join.
"""

from __future__ import annotations

from pgtrickle.delta.join import past_terms
from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.matching import MATCHED, comes_often, flipped
from pgtrickle.delta.relation import WEIGHT, Relation, netted, select, union_all
from pgtrickle.delta.single import THERE, known_as_it_was
from pgtrickle.query.algebra import Aggregate, Filter, Node, OuterJoin, Project
from pgtrickle.query.keys import meets_one
from pgtrickle.query.render import render_expression


def _theta(node: OuterJoin) -> str:
    return "true" if node.condition is None else render_expression(node.condition)


def _columns(node: OuterJoin) -> list[str]:
    return [f"l.{id}" for id in node.left.ids] + [f"r.{id}" for id in node.right.ids]


def joined(node: OuterJoin, left: Relation, right: Relation) -> Relation:
    """The join of any state of its sides."""
    kind = "FULL" if node.full else "LEFT"
    source = f"FROM {left.source('l')} {kind} JOIN {right.source('r')} ON {_theta(node)}"
    # (Weighted on the left: the step of a recursion.)
    weight = [f"l.{WEIGHT}"] if left.weighted else []
    return Relation(select([*_columns(node), *weight], source), node.ids, left.weighted)


def _initial(node: OuterJoin, maintenance: Maintenance) -> Relation:
    return joined(node, maintenance.initial(node.left), maintenance.initial(node.right))


def _new(node: OuterJoin, maintenance: Maintenance) -> Relation:
    return joined(node, maintenance.new(node.left), maintenance.new(node.right))


def _new_terms(node: OuterJoin, maintenance: Maintenance) -> list[Relation]:
    if node.full:
        return [_new(node, maintenance)]
    right = maintenance.new(node.right)
    return [joined(node, left, right) for left in maintenance.new_terms(node.left)]


def _old_terms(node: OuterJoin, maintenance: Maintenance) -> list[Relation] | None:
    """A left join of terms is that of each of them: (L1 + L2) ⟕ R = L1 ⟕ R + L2 ⟕ R."""
    if node.full:
        return None
    former, terms = past_terms(node.right, node.left, maintenance)
    if former is None or terms is None:
        return None
    return [joined(node, term, former) for term in terms]


def _old(node: OuterJoin, maintenance: Maintenance) -> Relation:
    if not maintenance.has_old(node):
        return maintenance.taken_back(node)
    return joined(node, maintenance.old(node.left), maintenance.old(node.right))


def _delta(node: OuterJoin, maintenance: Maintenance) -> Relation:
    terms = []
    left, right = maintenance.shared_delta(node.left), maintenance.shared_delta(node.right)
    if left is not None:
        terms += _of_left(node, left, right, maintenance)
    if right is not None:
        terms += of_right(node, right, maintenance)
    if node.full and right is not None:
        terms.append(_unmatched(node, right, maintenance, of_left=False))
    if node.full and left is not None:
        terms.append(flips(node, maintenance, of_left=False))
    return maintenance.share(Relation(union_all(terms), node.ids, weighted=True))


def _of_left(
    node: OuterJoin, left: Relation, right: Relation | None, maintenance: Maintenance
) -> list[str]:
    """δL ⟕ new(R); where that is several sets of rows, joined with each, and what none matched."""
    present = maintenance.new_terms(node.right)
    if right is not None and len(present) > 1 and _is_of_groups(node.right):
        former = known_as_it_was(node.right, maintenance)
        if former is not None and meets_one(node.right, node.left, node.condition):
            return [_of_one_group(node, left, former, right)]
    kind = "LEFT" if len(present) == 1 else "INNER"
    terms = [
        select(
            [*_columns(node), f"l.{WEIGHT}"],
            f"FROM {left.source('l')} {kind} JOIN {term.source('r')} ON {_theta(node)}",
        )
        for term in present
    ]
    if len(present) > 1:
        terms.append(_unmatched(node, left, maintenance, of_left=True))
    return terms


def _is_of_groups(node: Node) -> bool:
    """Whether its delta has of each group one row that went and one that came at most."""
    while type(node) in (Project, Filter):
        node = node.children[0]
    return isinstance(node, Aggregate)


def _of_one_group(node: OuterJoin, left: Relation, former: Relation, change: Relation) -> str:
    """δL ⟕ new(R) by R as it was, and the rows that went and that came.

    In three steps, so that the condition meets each column by its own name.
    """
    theta, kept, groups = _theta(node), [*node.left.ids, WEIGHT], node.right.ids
    went, came = (
        f"(SELECT true AS {THERE}, c.* FROM {change.source('c')} WHERE c.{WEIGHT} {sign} 0) AS r"
        for sign in "<>"
    )
    before = select(
        [*(f"l.{id}" for id in kept), *(f"r.{id} AS o_{id}" for id in groups)],
        f"FROM {left.source('l')} LEFT JOIN {former.source('r')} ON {theta}",
    )
    less = select(
        [*(f"l.{id}" for id in kept), *(f"l.o_{id}" for id in groups), f"r.{THERE} AS __went"],
        f"FROM ({before}) AS l LEFT JOIN {went} ON {theta}",
    )
    now = "CASE WHEN r.{0} THEN r.{1} WHEN l.__went THEN NULL ELSE l.o_{1} END AS {1}"
    return select(
        [
            *(f"l.{id}" for id in node.left.ids),
            *(now.format(THERE, id) for id in groups),
            f"l.{WEIGHT}",
        ],
        f"FROM ({less}) AS l LEFT JOIN {came} ON {theta}",
    )


def of_right(node: OuterJoin, right: Relation, maintenance: Maintenance) -> list[str]:
    """old(L) ⋈ δR, and the left rows that flip; the first of several tells the columns' types."""
    matched = [
        select(
            [*_columns(node), f"{old.weights('l')} * r.{WEIGHT} AS {WEIGHT}"],
            f"FROM {old.source('l')} JOIN {right.source('r')} ON {_theta(node)}",
        )
        for old in maintenance.old_terms(node.left)
    ]
    if len(matched) > 1 and comes_often(node.left):
        matched = [netted(Relation(union_all(matched), node.ids, weighted=True)).sql]
    return [*matched, flips(node, maintenance, of_left=True)]


def _unmatched(
    node: OuterJoin, change: Relation, maintenance: Maintenance, *, of_left: bool
) -> str:
    """The changes of one side that nothing on the other matches now, extended by NULLs."""
    here, there, other = ("l", "r", node.right) if of_left else ("r", "l", node.left)
    unmatched = [
        f"NOT EXISTS (SELECT FROM {term.source(there)} WHERE {_theta(node)})"
        for term in maintenance.new_terms(other)
    ]
    return select(
        [*_padded(node, here, of_left=of_left), f"{here}.{WEIGHT}"],
        f"FROM {change.source(here)}",
        f"WHERE {' AND '.join(unmatched)}",
    )


def _padded(node: OuterJoin, alias: str, *, of_left: bool) -> list[str]:
    """Columns of one side, the other side's NULL.

    The NULLs take their type from the first term, which reads both sides.
    """
    kept = frozenset(node.left.ids if of_left else node.right.ids)
    return [f"{alias}.{id}" if id in kept else f"NULL AS {id}" for id in node.ids]


def flips(
    node: OuterJoin, maintenance: Maintenance, *, of_left: bool, counted: Relation | None = None
) -> str:
    """The rows of one side that flip, extended by NULLs of no type; `counted` as by `flipped`."""
    kept, other = (node.left, node.right) if of_left else (node.right, node.left)
    known = maintenance.states.matches.get(id(node)) if of_left else None
    rows = flipped(kept, other, node.condition, maintenance, known, counted)
    if rows is None:
        raise ValueError("an unchanged side flips nothing")
    weight = f"x.{WEIGHT} * CASE WHEN x.{MATCHED} THEN -1 ELSE 1 END AS {WEIGHT}"
    return select([*_padded(node, "x", of_left=of_left), weight], f"FROM {rows.source('x')}")


OUTER_JOIN = Rules(
    initial=_initial,
    new=_new,
    old=_old,
    delta=_delta,
    new_terms=_new_terms,
    old_terms=_old_terms,
)
