"""Matching with a side that has one row at most: what it was and what it is stand side by side.

For a left row l and a right side of the rows r' before and r now, either of which may be missing,

    l flips   ⟺   θ(l, r) ≠ θ(l, r')

so that no matches have to be counted. Where r and r' are the same, no left row is looked at. The
values of both are read by subqueries of one row, so that PostgreSQL compares with them as with
constants, while it reads the left side, and before it asks what is dearer to know.
"""

from __future__ import annotations

from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.relation import WEIGHT, Relation, select
from pgtrickle.query.algebra import Node
from pgtrickle.query.comparing import ONE_ROW
from pgtrickle.query.expression import Column, Expression, Template
from pgtrickle.query.keys import keys
from pgtrickle.query.lowering.rewriting import rewrite
from pgtrickle.query.render import render_expression

SIDES = ("o", "n")
"""Prefixes of columns: before and now."""
THERE = "__there"
"""Whether there is a row at all."""


def known_as_it_was(node: Node, maintenance: Maintenance) -> Relation | None:
    """`old`, where that is made of tables and no weighted terms; None elsewhere."""
    if not maintenance.has_old(node):
        return None
    former = maintenance.old(node)
    return None if former.weighted else former


def before_and_now(right: Node, maintenance: Maintenance) -> str | None:
    """CTE of one row, or none where nothing changed: o_c and n_c for each column c and `THERE`.

    None where `right` may have several rows, or is not known as it was but for its delta.
    """
    former = known_as_it_was(right, maintenance) if ONE_ROW in keys(right) else None
    if former is None or (present := maintenance.new(right)).weighted:
        return None
    relations = (former, present)
    items = [f"{side}.{id} AS {side}_{id}" for side in SIDES for id in (THERE, *right.ids)]
    joins = [
        f"LEFT JOIN (SELECT true AS {THERE}, r.* FROM {relation.source('r')}) AS {side} ON true"
        for side, relation in zip(SIDES, relations, strict=True)
    ]
    before, now = (
        f"ROW({', '.join(f'{side}.{id}' for id in (THERE, *right.ids))})::record" for side in SIDES
    )
    sql = select(items, "FROM (SELECT) AS one", *joins, f"WHERE {before} *<> {now}")
    return maintenance.add_cte(maintenance.fresh_name("b"), sql)


def by_comparing(
    term: Relation, right: Node, condition: Expression, pair: str, matched: str
) -> str:
    """Select of the rows of `term` that flip: its columns, `matched`, and the row's weight."""
    before, now = (
        f"((SELECT {side}_{THERE} FROM {pair})"
        f" AND ({render_expression(_of_side(condition, right, side, pair))})) IS TRUE"
        for side in SIDES
    )
    return select(
        [
            *(f"l.{id}" for id in term.ids),
            f"{now} AS {matched}",
            f"{term.weights('l')} AS {WEIGHT}",
        ],
        f"FROM {term.source('l')}",
        # Spelled as an equality, for PostgreSQL expects few rows of one and all of the contrary.
        f"WHERE EXISTS (SELECT FROM {pair}) AND ({now}) = (NOT ({before}))",
    )


def _of_side(condition: Expression, right: Node, side: str, pair: str) -> Expression:
    ids = frozenset(right.ids)

    def value(expression: Expression) -> Expression | None:
        match expression:
            case Column(relation=None, name=name) if name in ids:
                return Template("scalar subquery", (f"(SELECT {side}_{name} FROM {pair})",))
        return None

    return rewrite(condition, value)
