"""The names of a query's columns."""

from __future__ import annotations

from pgtrickle.query import statement as s
from pgtrickle.query.expression import Column, Field


def column_names(query: s.Query) -> tuple[str, ...]:
    """Names of the result columns, as canonical text has them."""
    match query:
        case s.Select(targets=targets):
            return tuple(map(_name, targets))
        case s.SetOperation(left=left):
            return column_names(left)
        case s.Values(rows=rows):
            return tuple(f"column{i}" for i in range(1, len(rows[0]) + 1))
    raise TypeError(f"not a query: {query!r}")


def _name(target: s.Target) -> str:
    """A column that keeps its name is printed without AS."""
    if target.alias is not None:
        return target.alias
    match target.expression:
        case Column(name=name) | Field(name=name):
            return name
    return "?column?"
