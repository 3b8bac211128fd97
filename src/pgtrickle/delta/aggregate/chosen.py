"""Groups as the stream table shows them, if PostgreSQL can have given them so: for verification.

Three things are PostgreSQL's choice: which of several keys that are equal a group shows (1.0 or
1.00), which of several values that are equal ``min`` and ``max`` give, and in which order an
aggregate without ORDER BY takes the rows. The state says what was chosen. It is taken where

    the key is that of a row of the group,
    the extreme equals the one computed now, and is a value of the group,
    a list, or a text, is made of the same elements as the one computed now,

and else what is computed now, so that a choice which cannot be shows as the difference it makes.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgtrickle.delta.aggregate.analysis import (
    Analysis,
    group_by,
    state_of,
    types_of_calls,
    with_keys,
)
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.relation import Relation, image, select
from pgtrickle.query.algebra import Aggregate
from pgtrickle.query.expression import Call
from pgtrickle.query.render import render_expression

LISTS = frozenset({"array_agg", "json_agg", "jsonb_agg", "string_agg", "xmlagg"})
SHOWN = "__shown"


def chosen(node: Aggregate, maintenance: Maintenance) -> Relation:
    """`initial` of the node with the choices that stand in its state."""
    analysis, state = state_of(node, maintenance)
    fresh = _fresh(node, analysis, with_keys(node, maintenance.initial(node.child)))
    items = [
        *_keys(analysis),
        *(f"{value} AS {id}" for id, value in _values(node, analysis, maintenance)),
    ]
    join = f"LEFT JOIN {state.read} AS s ON {analysis.matching.same('f', 's')}"
    return Relation(select(items, f"FROM ({fresh}) AS f", join), node.ids, weighted=False)


def _fresh(node: Aggregate, analysis: Analysis, keyed: Relation) -> str:
    """The groups as they are now, with all that a group may show."""
    calls = [f"{render_expression(call)} AS {attribute.id}" for attribute, call in node.aggregates]
    shown = []
    if not analysis.keys_are_images:
        images = image(f"k.{key}" for key in analysis.keys)
        shown.append(f"array_agg(DISTINCT {images}) AS {SHOWN}")
    for attribute, call in node.aggregates:
        if _is_extreme(call):
            value = render_expression(call.arguments[0].value)
            kept = "" if call.filter is None else render_expression(call.filter)
            where = f" FILTER (WHERE {kept})" if kept else ""
            shown.append(f"array_agg(DISTINCT ({value})::text){where} AS {SHOWN}_{attribute.id}")
    return select(
        [
            *analysis.matching.hash_column("k"),
            *(f"k.{key}" for key in analysis.keys),
            *calls,
            *shown,
        ],
        f"FROM {keyed.source('k')}",
        group_by(analysis, "k"),
    )


def _keys(analysis: Analysis) -> list[str]:
    if analysis.keys_are_images:
        return [f"f.{key}" for key in analysis.keys]
    can_be = f"{image(f's.{key}' for key in analysis.keys)} = ANY (f.{SHOWN})"
    return [f"CASE WHEN {can_be} THEN s.{key} ELSE f.{key} END AS {key}" for key in analysis.keys]


def _values(
    node: Aggregate, analysis: Analysis, maintenance: Maintenance
) -> Iterator[tuple[str, str]]:
    types = types_of_calls(node, maintenance.states)
    for (attribute, call), (_, each), type in zip(
        node.aggregates, analysis.accumulators, types, strict=True
    ):
        name = attribute.id
        stored = each.finish(lambda part: f"s.{part}")
        can_be = ""
        if each.is_open and _is_list(call):
            can_be = f"{_elements(call, stored)} = {_elements(call, f'f.{name}')}"
        elif each.is_open and _is_extreme(call) and type.compares:
            can_be = f"{stored} = f.{name} AND ({stored})::text = ANY (f.{SHOWN}_{name})"
        yield name, f"CASE WHEN {can_be} THEN {stored} ELSE f.{name} END" if can_be else f"f.{name}"


def _is_extreme(call: Call) -> bool:
    return call.name in {("min",), ("max",)} and len(call.arguments) == 1


def _is_list(call: Call) -> bool:
    """Whether the rows stand one after the other in what is made of them, in any order."""
    ordered = call.order_by or call.distinct or call.within_group
    return len(call.name) == 1 and call.name[0] in LISTS and not ordered


def _elements(call: Call, value: str) -> str:
    """What a list is made of, in an order of its own; of a text, the characters."""
    if call.name[-1] == "array_agg":
        source = f"unnest({value}) AS u"
    else:
        source = f"string_to_table(({value})::text, NULL) AS u"
    return f'(SELECT array_agg(u::text ORDER BY u::text COLLATE "C") FROM {source})'
