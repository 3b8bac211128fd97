"""ORDER BY with LIMIT and OFFSET."""

from __future__ import annotations

from dataclasses import replace

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import Node, TopN
from pgtrickle.query.expression import Column, Expression, Literal, SortKey
from pgtrickle.query.keys import keys as keys_of
from pgtrickle.query.lowering.environment import Lowered
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.scope import Scope


def first_rows(
    query: s.Query,
    node: Node,
    sort: tuple[SortKey, ...],
    partition: tuple[Expression, ...] = (),
    *,
    one_each: bool = False,
) -> Node:
    """LIMIT and OFFSET with an order, in each partition. Raises NotIncremental.

    `one_each`: no partition has more than one row.
    """
    if not sort and query.limit != Literal("0"):
        alone = one_each or frozenset() in keys_of(node)
        if alone and query.offset is None and is_some(query.limit):
            return node
        raise NotIncremental("LIMIT", "without ORDER BY any rows may be taken")
    for bound in (query.limit, query.offset):
        if bound is not None:
            Scope().resolve(bound)  # raises for anything but constants
    return TopN(node, partition, sort, query.limit, query.offset, query.with_ties)


def is_some(limit: Expression | None) -> bool:
    """Whether a LIMIT lets at least one row through."""
    return isinstance(limit, Literal) and limit.sql.isdigit() and int(limit.sql) > 0


def ordered(query: s.Query, lowered: Lowered, partition: tuple[Expression, ...] = ()) -> Lowered:
    """LIMIT of a set operation, ordered by column numbers or names. Raises NotIncremental."""
    if query.limit is None and query.offset is None:
        return lowered
    attributes = lowered.node.attributes
    sort = []
    for key in query.order_by:
        match key.expression:
            case Literal(sql=sql) if sql.isdigit():
                sort.append(replace(key, expression=attributes[int(sql) - 1].reference))
            case Column(relation=None, name=name) if name in lowered.names:
                position = lowered.names.index(name)
                sort.append(replace(key, expression=attributes[position].reference))
            case _:
                raise NotIncremental("ORDER BY", "of a set operation by an expression")
    return replace(lowered, node=first_rows(query, lowered.node, tuple(sort), partition))
