"""Subqueries that read no table are expressions of the row they are evaluated for.

    (select sum(x) from unnest(o.tags) as x)        exists (select from jsonb_each(o.j) e where ...)
    lateral (values (o.a), (o.b)) as v(x)           o.x in (select ... from generate_series(1, o.q))

They stay as they are: text around the columns that they read of the row. What reads the moment is
not among them, for its delta looks for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pgtrickle.query import statement as s
from pgtrickle.query.expression import (
    Call,
    Column,
    Expression,
    Literal,
    SqlFunction,
    Sublink,
    Template,
    WholeRow,
)
from pgtrickle.query.lowering.facts import Facts
from pgtrickle.query.lowering.free_names import free_names, names
from pgtrickle.query.lowering.targets import column_names
from pgtrickle.query.moments import reads_moment
from pgtrickle.query.render import render_expression, render_from
from pgtrickle.query.traverse import transform, transform_children, walk

_LIKE_AN_ATTRIBUTE = re.compile(r"\b[a-z]\d+(u\d+)*\b")
"""A name in the text of a subquery that could hide an attribute id."""
_PLACE = re.compile("\0(\\d+)\0")


def with_row_queries(query: s.Query, facts: Facts) -> s.Query:
    """`query` with every subquery and lateral FROM item that reads no table as a template."""

    def replaced(node: Any) -> Any:
        match node:
            case Sublink() if _is_of_row(node, facts):
                parts = _parts(node, render_expression)
                return node if parts is None else Template("subquery", parts)
            case s.Derived(lateral=True, query=inner) if _is_expanding(inner):
                return _lateral(node) if _is_of_row(node, facts) else node
        return node

    return transform(query, replaced)


def _is_expanding(query: s.Query) -> bool:
    """Whether a query may give other than one row. (What gives one keeps the keys around it.)"""
    return not isinstance(query, s.Select) or bool(query.sources)


def _lateral(item: s.Derived) -> s.FromItem:
    parts = _parts(s.Derived(item.query, None), render_from)
    if parts is None:
        return item
    given = item.alias.columns if item.alias is not None else ()
    columns = given + column_names(item.query)[len(given) :]
    alias = s.Alias("" if item.alias is None else item.alias.name, columns)
    return s.TemplateSource("LATERAL", parts, alias, lateral=True)


def _is_of_row(node: Any, facts: Facts) -> bool:
    return not (
        reads_moment(node)
        or any(_is_in_the_way(each, facts) for each in walk(node))
        or any(relation is None for relation, _ in free_names(node))
    )


def _is_in_the_way(node: Any, facts: Facts) -> bool:
    """Tables, and aggregates of what stands around."""
    match node:
        case s.Table() | SqlFunction(keyword="GROUPING"):
            return True
        case s.Query(locking=str(locking), ctes=ctes) if locking or ctes:
            return True
        case s.Select():
            return _aggregates_around(node, facts)
    return False


def _aggregates_around(query: s.Select, facts: Facts) -> bool:
    """Whether an aggregate in a block is one of a block around: it reads columns of that alone."""
    for each in walk(query, into_queries=False):
        if isinstance(each, Call) and each.over is None and facts.is_aggregate(each.name):
            read = free_names((each.arguments, each.filter))
            if read and not any(names(query.sources, one) for one in read):
                return True
    return False


def _parts(node: Any, render: Callable[[Any], str]) -> tuple[str | Expression, ...] | None:
    """The SQL of a subquery, as text around the columns that it reads of the row.

    None where a name in it could be taken for one of these columns.
    """
    free = free_names(node)
    found: list[Expression] = []

    def replaced(each: Any, bound: tuple[tuple[s.FromItem, ...], ...]) -> Any:
        match each:
            case Column(relation=relation, name=name):
                reference = relation, name
            case WholeRow(relation=relation):
                reference = relation, ""
            case _:
                inner = (*bound, each.sources) if isinstance(each, s.Select) else bound
                return transform_children(each, lambda child: replaced(child, inner))
        if reference not in free or any(names(block, reference) for block in bound):
            return each
        found.append(each)
        return Literal(f"\0{len(found) - 1}\0")

    texts = _PLACE.split(render(replaced(node, ())))
    if any(map(_LIKE_AN_ATTRIBUTE.search, texts[::2])):
        return None
    return tuple(found[int(text)] if i % 2 else text for i, text in enumerate(texts))
