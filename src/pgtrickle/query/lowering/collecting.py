"""ARRAY(subquery): the subquery's rows collected by array_agg, which may be correlated."""

from __future__ import annotations

from dataclasses import replace

from pgtrickle.query import statement as s
from pgtrickle.query.expression import Argument, Call, Column, Expression, Literal, SortKey
from pgtrickle.query.lowering.facts import Facts
from pgtrickle.query.lowering.free_names import free_names, names
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.traverse import expressions


def collected(query: s.Query, facts: Facts) -> s.Select:
    """The query that gives ``array_agg`` of the only column of `query`, in its order.

    NULL where `query` has no rows. Raises NotIncremental.
    """
    if isinstance(query, s.Select) and _is_plain(query, facts):
        value = query.targets[0].expression
        keys = tuple(_of_select(key, query) for key in query.order_by)
        return replace(query, targets=(_array_agg(value, keys),), order_by=())
    return _around(query)


def _is_plain(query: s.Select, facts: Facts) -> bool:
    """Whether aggregating the rows of FROM and WHERE is aggregating those of the query."""
    return not (
        query.group_by
        or query.having is not None
        or query.distinct is not None
        or query.limit is not None
        or query.offset is not None
        or query.windows
        or query.locking
        or _has_calls_of_rows(query, facts)
        or _reads_around_alone(query)
    )


def _reads_around_alone(query: s.Select) -> bool:
    """Whether an aggregate of the value would be one of the block around."""
    read = free_names((query.targets[0].expression, *(key.expression for key in query.order_by)))
    return bool(read) and not any(names(query.sources, each) for each in read)


def _has_calls_of_rows(query: s.Select, facts: Facts) -> bool:
    """Whether the select list aggregates, numbers rows, or returns a set."""
    targets = (query.targets[0].expression, *(key.expression for key in query.order_by))
    return any(
        each.over is not None or facts.is_aggregate(each.name) or facts.returns_set(each.name)
        for target in targets
        for each in expressions(target, into_queries=False)
        if isinstance(each, Call)
    )


def _around(query: s.Query) -> s.Select:
    """The query in FROM; what it is ordered by becomes columns of it."""
    columns = ["v"]
    keys: list[SortKey] = []
    for key in query.order_by:
        match key.expression:
            case Literal(sql=sql) if sql.isdigit():
                name = "v"
            case _ if not isinstance(query, s.Select):
                raise NotIncremental("ARRAY", "of a set operation ordered by an expression")
            case expression if expression == query.targets[0].expression:
                name = "v"
            case _ if query.distinct == ():
                raise NotIncremental("ARRAY", "of different rows in another order than theirs")
            case expression:
                name = f"k{len(columns)}"
                columns.append(name)
                query = replace(query, targets=(*query.targets, s.Target(expression, name)))
        keys.append(replace(key, expression=Column("q", name)))
    if query.limit is None and query.offset is None and not _keeps_order(query):
        query = replace(query, order_by=())
    targets = (_array_agg(Column("q", "v"), tuple(keys)),)
    return s.plain_select(targets, (s.Derived(query, s.Alias("q", tuple(columns))),))


def _keeps_order(query: s.Query) -> bool:
    """Whether the order decides which rows there are: DISTINCT ON."""
    return isinstance(query, s.Select) and bool(query.distinct)


def _of_select(key: SortKey, query: s.Select) -> SortKey:
    """A sort key by the number of a column, written out."""
    if isinstance(key.expression, Literal) and key.expression.sql.isdigit():
        return replace(key, expression=query.targets[0].expression)
    return key


def _array_agg(value: Expression, keys: tuple[SortKey, ...]) -> s.Target:
    return s.Target(Call(("array_agg",), (Argument(value),), order_by=keys), "array")
