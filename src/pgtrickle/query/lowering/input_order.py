"""The order in which a subquery in FROM hands its rows to an aggregate.

    select array_agg(x) from (select x from t order by y) as s
    json_array(select x from t order by y), which PostgreSQL makes the like of it

PostgreSQL aggregates the rows as they come. Here nothing has an order, so that of the subquery
becomes one of the aggregate, where the aggregate has none and its value depends on it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pgtrickle.query import statement as s
from pgtrickle.query.expression import Call, Column, Literal, SortKey
from pgtrickle.query.lowering.targets import column_names
from pgtrickle.query.lowering.whole_rows import whole_rows_in
from pgtrickle.query.traverse import transform

COLLECT = frozenset(
    {"array_agg", "string_agg", "xmlagg", "JSON_ARRAYAGG", "JSON_OBJECTAGG"}
    | {f"{json}_{of}agg{how}" for json in ("json", "jsonb") for of in ("", "object_")
       for how in ("", "_strict", "_unique", "_unique_strict")}
)  # fmt: skip
"""Aggregates of PostgreSQL's own whose value depends on the order of their input."""
HIDDEN = "__order_{}"


def with_input_orders(query: s.Query) -> s.Query:
    """`query` with the order of subqueries in FROM said by the aggregates over them."""
    return transform(query, lambda node: _ordered(node) if isinstance(node, s.Select) else node)


def _ordered(query: s.Select) -> s.Select:
    match query.sources:
        case (s.Derived(query=inner, alias=s.Alias() as alias) as source,) if inner.order_by:
            pass
        case _:
            return query
    names = alias.columns + column_names(inner)[len(alias.columns) :]
    keys: list[SortKey] = []
    hidden: list[s.Target] = []
    for key in inner.order_by:
        position = _position(key, inner)
        if position is None and (not isinstance(inner, s.Select) or inner.distinct == ()):
            return query
        if position is None:
            hidden.append(s.Target(key.expression, HIDDEN.format(len(hidden))))
        name = hidden[-1].alias if position is None else names[position]
        keys.append(replace(key, expression=Column(alias.name, str(name))))

    def with_order(node: Any) -> Any:
        return replace(node, order_by=tuple(keys)) if _wants_order(node) else node

    ordered = transform(query, with_order, into_queries=False)
    if ordered is query or (hidden and alias.name in whole_rows_in(query)):
        return query
    if hidden and isinstance(inner, s.Select):
        inner = replace(inner, targets=(*inner.targets, *hidden))
    named = replace(alias, columns=(*names, *(str(target.alias) for target in hidden)))
    return replace(ordered, sources=(replace(source, query=inner, alias=named),))


def _position(key: SortKey, query: s.Query) -> int | None:
    """Which column of the subquery it is ordered by; None for none of them."""
    match key.expression:
        case Literal(sql=sql) if sql.isdigit():
            return int(sql) - 1
        case Column(relation=None, name=name) if isinstance(query, s.SetOperation | s.Values):
            found = column_names(query)
            return found.index(name) if name in found else None
    targets = query.targets if isinstance(query, s.Select) else ()
    values = [target.expression for target in targets]
    return values.index(key.expression) if key.expression in values else None


def _wants_order(node: Any) -> bool:
    return (
        isinstance(node, Call)
        and len(node.name) == 1
        and node.name[0] in COLLECT
        and node.over is None
        and not (node.order_by or node.distinct)
    )
