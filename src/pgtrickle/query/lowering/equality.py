"""Equalities that are not the one by which values are grouped.

An equality makes groups of rows, and keys of joins, where the values that are equal to one value
are equal to each other. Not so under a nondeterministic collation on one side alone, between times
with and without a time zone (in spring two local times are one), or for circles of one area. Where
such comparisons may be, every equality of the query is spelled so that it is a condition like any
other: the values it compares are never grouped by it.
"""

from __future__ import annotations

from typing import Any

from pgtrickle.query.expression import DistinctFrom, Name, Not, Operator, Sublink
from pgtrickle.query.statement import Query
from pgtrickle.query.traverse import transform

EQUAL: Name = ("=",)
"""The equality that groups; PostgreSQL's own, as canonical text spells it."""
COMPARED: Name = ("pg_catalog", "=")
"""The same operator, as a comparison alone."""


def compared_alone(query: Query) -> Query:
    """`query` with equalities that are comparisons alone."""
    return transform(query, _compared)


def _compared(node: Any) -> Any:
    match node:
        case Operator(name=name, left=left, right=right) if name == EQUAL:
            return Operator(COMPARED, left, right)
        case Sublink(kind=kind, query=query, test=test, operator=operator) if operator == EQUAL:
            return Sublink(kind, query, test, COMPARED)
        case DistinctFrom(left=left, right=right, negated=True):
            return Not(DistinctFrom(left, right, negated=False))
    return node
