"""Which columns a subquery reads of the blocks around it, going by names.

Canonical text qualifies every column that a subquery reads of a block around it, but for merged
columns of JOIN USING. No name inside hides one outside, but in views that were put in their place,
and these read nothing around them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgtrickle.query import statement as s
from pgtrickle.query.expression import Column, Sublink, WholeRow
from pgtrickle.query.lowering.scope import Scope
from pgtrickle.query.traverse import children, expressions

Reference = tuple[str | None, str]
"""FROM item (None for a merged column) and column ('' for the whole row)."""


def free_names(value: Any) -> frozenset[Reference]:
    """What a query, an expression or a FROM item reads and does not name itself."""
    match value:
        case None:
            return frozenset()
        case Column(relation=relation, name=name):
            return frozenset({(relation, name)})
        case WholeRow(relation=relation):
            return frozenset({(relation, "")})
        case tuple():
            return frozenset().union(*map(free_names, value))
        case s.Select():
            return frozenset(each for each in _inside(value) if not names(value.sources, each))
        case s.SetOperation():
            return free_names((value.ctes, value.left, value.right))
    return _inside(value)


def _inside(value: Any) -> frozenset[Reference]:
    return frozenset().union(*map(free_names, children(value)))


def names(sources: tuple[s.FromItem, ...], reference: Reference) -> bool:
    """Whether a FROM clause has what is referred to."""
    relation, column = reference
    if relation is not None:
        return relation in set(_aliases(sources))
    alone = len(sources) == 1 and not isinstance(sources[0], s.Join)
    return alone or column in set(_merged(sources))


def _aliases(sources: tuple[s.FromItem, ...]) -> Iterator[str]:
    for source in sources:
        match source:
            case s.Join():
                yield from _aliases((source.left, source.right))
                yield from (source.using_alias,) if source.using_alias is not None else ()
        alias = getattr(source, "alias", None)
        if alias is not None:
            yield alias.name
        elif isinstance(source, s.Table):
            yield source.name


def _merged(sources: tuple[s.FromItem, ...]) -> Iterator[str]:
    for source in sources:
        if isinstance(source, s.Join):
            yield from source.using
            yield from _merged((source.left, source.right))


def reads(value: Any, outer: Scope | None) -> bool:
    """Whether something reads a scope around it, or one further out."""
    return outer is not None and any(_sees(outer, each) for each in free_names(value))


def _sees(scope: Scope, reference: Reference) -> bool:
    relation, column = reference
    found = column in scope.merged if relation is None else relation in scope.relations
    return found or (scope.outer is not None and _sees(scope.outer, reference))


def reads_within(query: s.Select, outer: Scope | None) -> bool:
    """Whether the FROM clause of a block, or a subquery in it, reads what is around the block."""
    if outer is None:
        return False
    nested = (
        each.query for each in expressions(query, into_queries=False) if isinstance(each, Sublink)
    )
    found = free_names((*query.sources, *nested))
    return any(_sees(outer, each) for each in found if not names(query.sources, each))
