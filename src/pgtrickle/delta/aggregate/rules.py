"""The four states of an Aggregate."""

from __future__ import annotations

from pgtrickle.delta.aggregate.analysis import (
    analyse,
    finished,
    parts,
    state_of,
    with_keys,
)
from pgtrickle.delta.aggregate.matched import counting_matches, known_matches
from pgtrickle.delta.aggregate.touched import touched_groups
from pgtrickle.delta.aggregate.values import value_counts
from pgtrickle.delta.lookups import lookup
from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.relation import WEIGHT, Relation, select, union_all
from pgtrickle.query.algebra import Aggregate
from pgtrickle.query.render import render_expression


def prepare(node: Aggregate, maintenance: Maintenance) -> None:
    """Analyse the node and add its state table, if it needs one. Children come first."""
    states = maintenance.states
    analysis = analyse(node, states)
    states.analyses[id(node)] = analysis
    if id(node) in states.visible:
        return
    if states.one_equality:
        analysis = states.analyses[id(node)] = counting_matches(node, analysis)
    keyed = with_keys(node, maintenance.initial(node.child))
    matching = analysis.matching
    fill = parts(analysis, keyed)
    types = dict(zip(analysis.keys, states.types[id(node)], strict=False))
    further = lookup(states.lookups.get(id(node), ()), matching, types)
    if matching.hashed:
        states.add(id(node), fill, index=matching.index, lookup=further)
    else:
        states.add(id(node), fill, key=matching.index, lookup=further)
    if analysis.matched is not None:
        states.matches[id(node.child)] = known_matches(node, states.tables[id(node)])
    for values in analysis.stored_values:
        by_value = analysis.by_value[values.id]
        states.add(
            (id(node), values.id), value_counts(analysis, values, keyed), index=by_value.index
        )


def _initial(node: Aggregate, maintenance: Maintenance) -> Relation:
    """Of what its state is filled with, once it has one.

    Where PostgreSQL may choose, all must see one choice; and elsewhere every state further up would
    compute the groups below it once more, and again for each place where they are read.
    """
    table = maintenance.states.tables.get(id(node))
    if table is not None:
        items = _outputs(node, finished(maintenance.states.analyses[id(node)], "s."))
        return Relation(select(items, f"FROM {table.filling} AS s"), node.ids, False)
    keyed = with_keys(node, maintenance.initial(node.child))
    keys = [attribute.id for attribute, _ in node.keys]
    calls = [f"{render_expression(call)} AS {attribute.id}" for attribute, call in node.aggregates]
    group_by = f"GROUP BY {', '.join(f'k.{key}' for key in keys)}" if keys else ""
    items = [f"k.{key}" for key in keys] + calls
    return Relation(select(items, f"FROM {keyed.source('k')}", group_by), node.ids, False)


def _outputs(node: Aggregate, expressions: list[str]) -> list[str]:
    return [f"{sql} AS {id}" for id, sql in zip(node.ids, expressions, strict=True)]


def _old(node: Aggregate, maintenance: Maintenance) -> Relation:
    analysis, table = state_of(node, maintenance)
    items = _outputs(node, finished(analysis, "s."))
    return Relation(select(items, f"FROM {table.read} AS s"), node.ids, weighted=False)


def _new(node: Aggregate, maintenance: Maintenance) -> Relation:
    if not maintenance.is_changed(node):
        return _old(node, maintenance)
    terms = _new_terms(node, maintenance)
    return Relation(union_all(term.sql for term in terms), node.ids, weighted=False)


def _new_terms(node: Aggregate, maintenance: Maintenance) -> list[Relation]:
    analysis, table = state_of(node, maintenance)
    touched = touched_groups(node, maintenance)
    kept = select(
        _outputs(node, finished(analysis, "s.")),
        f"FROM {table.read} AS s",
        f"WHERE NOT EXISTS (SELECT FROM {touched} AS f WHERE {analysis.matching.same('s', 'f')})",
    )
    fresh = select([f"f.n_{id} AS {id}" for id in node.ids], f"FROM {touched} AS f WHERE f.__alive")
    return [Relation(sql, node.ids, weighted=False) for sql in (kept, fresh)]


def _delta(node: Aggregate, maintenance: Maintenance) -> Relation:
    touched = touched_groups(node, maintenance)
    terms = [
        select(
            [*(f"f.{side}_{id} AS {id}" for id in node.ids), f"{weight} AS {WEIGHT}"],
            f"FROM {touched} AS f",
            f"WHERE f.{exists} AND NOT f.__same",
        )
        for side, weight, exists in (("o", -1, "__existed"), ("n", 1, "__alive"))
    ]
    return Relation(union_all(terms), node.ids, weighted=True)


AGGREGATE = Rules(initial=_initial, new=_new, old=_old, delta=_delta, new_terms=_new_terms)
