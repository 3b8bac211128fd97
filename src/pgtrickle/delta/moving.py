"""Filters and projections that read the moment: they change with time alone.

With p the predicate as of now and p' as it was at the last refresh (its moments replaced by those
kept with the frontier), and likewise f and f' for a projection,

    δ(σ_p(R)) = σ_p'(δR)  +  rows of new(R) where p and not p'  -  where p' and not p
    δ(π_f(R)) = π_f'(δR)  +  f(r) - f'(r)  for rows r of new(R) where they differ

For a comparison of something of the row with a moment moved by constants, ``x < now() - c``, the
rows in question lie between the two bounds,

    least(b', b) <= x <= greatest(b', b)          b = now() - c

which an index on x serves. That holds whichever way the clock went, and however the bound moves:
a comparison with b and one with b' can differ only for an x between them. Other predicates are
evaluated for every row of new(R); what comes out is small all the same.
"""

from __future__ import annotations

from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.relation import WEIGHT, Relation, select, union_all
from pgtrickle.query.algebra import MovingFilter, MovingProject
from pgtrickle.query.expression import And, Expression, Not, Operator, Or
from pgtrickle.query.moments import at_frontier, is_fixed_step, reads_moment
from pgtrickle.query.render import render_expression

COMPARISONS = frozenset({("<",), ("<=",), (">",), (">=",), ("=",), ("<>",)})


def range_of(predicate: Expression) -> tuple[Expression, Expression] | None:
    """(x, bound) of a comparison of a row's value with a moment moved by constants, or None."""
    match predicate:
        case Operator(name=name, left=Expression() as a, right=b) if name in COMPARISONS:
            for x, bound in ((a, b), (b, a)):
                if not reads_moment(x) and is_fixed_step(bound):
                    return x, bound
    return None


def _turned(predicate: Expression) -> str:
    """Condition that a row satisfies where `predicate` is not what it was."""
    if not reads_moment(predicate):
        return "false"
    match predicate:
        case And(operands=operands) | Or(operands=operands):
            return f"({' OR '.join(map(_turned, operands))})"
        case Not(operand=operand):
            return _turned(operand)
    found = range_of(predicate)
    if found is None:
        return "true"
    x, now, then = map(render_expression, (*found, at_frontier(found[1])))
    return f"({x} >= LEAST({then}, {now}) AND {x} <= GREATEST({then}, {now}))"


def _filter(child: Relation, predicate: Expression) -> Relation:
    sql = select(["*"], f"FROM {child.source('f')}", f"WHERE {render_expression(predicate)}")
    return Relation(sql, child.ids, child.weighted)


def _filter_delta(node: MovingFilter, maintenance: Maintenance) -> Relation:
    former = at_frontier(node.predicate)
    terms = []
    changes = maintenance.delta(node.child)
    if changes is not None:
        terms.append(_filter(changes, former).sql)
    now, then = (f"{render_expression(each)} IS TRUE" for each in (node.predicate, former))
    terms.append(
        select(
            [*(f"f.{id}" for id in node.ids), f"CASE WHEN {now} THEN 1 ELSE -1 END AS {WEIGHT}"],
            f"FROM {maintenance.new(node.child).source('f')}",
            f"WHERE {_turned(node.predicate)} AND ({now}) <> ({then})",
        )
    )
    return Relation(union_all(terms), node.ids, weighted=True)


def _project(node: MovingProject, child: Relation, *, former: bool) -> Relation:
    items = at_frontier(node.items) if former else node.items
    outputs = [f"{render_expression(e)} AS {attribute.id}" for attribute, e in items]
    outputs += [WEIGHT] if child.weighted else []
    return Relation(select(outputs, f"FROM {child.source('p')}"), node.ids, child.weighted)


def _project_delta(node: MovingProject, maintenance: Maintenance) -> Relation:
    terms = []
    changes = maintenance.delta(node.child)
    if changes is not None:
        terms.append(_project(node, changes, former=True).sql)
    now, then, outputs = [], [], []
    for attribute, expression in node.items:
        value = render_expression(expression)
        if reads_moment(expression):
            former = render_expression(at_frontier(expression))
            now.append(value)
            then.append(former)
            value = f"CASE WHEN v.w > 0 THEN {value} ELSE {former} END"
        outputs.append(f"{value} AS {attribute.id}")
    terms.append(
        select(
            [*outputs, f"v.w AS {WEIGHT}"],
            f"FROM {maintenance.new(node.child).source('p')}"
            " CROSS JOIN (VALUES (1), (-1)) AS v (w)",
            f"WHERE ROW({', '.join(now)})::record *<> ROW({', '.join(then)})::record",
        )
    )
    return Relation(union_all(terms), node.ids, weighted=True)


MOVING_FILTER = Rules(
    initial=lambda node, m: _filter(m.initial(node.child), node.predicate),
    new=lambda node, m: _filter(m.new(node.child), node.predicate),
    old=lambda node, m: _filter(m.old(node.child), at_frontier(node.predicate)),
    delta=_filter_delta,
)
MOVING_PROJECT = Rules(
    initial=lambda node, m: _project(node, m.initial(node.child), former=False),
    new=lambda node, m: _project(node, m.new(node.child), former=False),
    old=lambda node, m: _project(node, m.old(node.child), former=True),
    delta=_project_delta,
)
