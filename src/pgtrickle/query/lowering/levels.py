"""What a subquery reads of the block around it, where that aggregates its rows.

    select g, (select count(*) from r where r.k < max(l.x)) from l group by g

An aggregate belongs to the innermost block that a column in it is of, wherever it stands; so does
GROUPING(). Such aggregates, and the columns that are grouped, are read above the aggregation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pgtrickle.query import statement as s
from pgtrickle.query.expression import Column, Expression, Sublink, WholeRow
from pgtrickle.query.lowering.free_names import free_names, names
from pgtrickle.query.traverse import children, transform_children

Blocks = tuple[tuple[s.FromItem, ...], ...]
"""The FROM clauses of blocks in each other, outermost first."""
Replace = Callable[[Expression], Expression | None]


def with_free_replaced(sublink: Sublink, is_aggregate: Callable[[Any], bool], by: Replace) -> Any:
    """A subquery's query with what is not its own replaced `by` something, or left.

    That is what stands in aggregates that read nothing of its own, and columns around it.
    """

    def replaced(each: Any, bound: Blocks) -> Any:
        if isinstance(each, Column | WholeRow) or is_aggregate(each):
            found = by(each) if _is_free(each, bound) else None
            if found is not None:
                return found
        inner = (*bound, each.sources) if isinstance(each, s.Select) else bound
        return transform_children(each, lambda child: replaced(child, inner))

    return replaced(sublink.query, ())


def free_aggregates(sublink: Sublink, is_aggregate: Callable[[Any], bool]) -> Iterator[Expression]:
    """The aggregates in a subquery that read columns around it, and none of its own."""

    def look(each: Any, bound: Blocks) -> Iterator[Expression]:
        if is_aggregate(each) and _is_free(each, bound):
            yield each
            return
        inner = (*bound, each.sources) if isinstance(each, s.Select) else bound
        for child in children(each):
            yield from look(child, inner)

    yield from look(sublink.query, ())


def _is_free(expression: Expression, bound: Blocks) -> bool:
    read = free_names(expression)
    return bool(read) and not any(names(block, each) for block in bound for each in read)
