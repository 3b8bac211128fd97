"""Queries as PostgreSQL's grammar has them: SELECT blocks, set operations, VALUES.

This is the tree that the round-trip proof covers: printed again, it must mean to PostgreSQL
exactly what the user's query means. The algebra (`pgtrickle.query.algebra`) is derived from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgtrickle.query.expression import Call, Expression, Name, SortKey, TypeName, WindowSpec


@dataclass(frozen=True, slots=True)
class Search:
    """``SEARCH DEPTH|BREADTH FIRST BY columns SET sequence``."""

    breadth_first: bool
    columns: tuple[str, ...]
    sequence: str


@dataclass(frozen=True, slots=True)
class Cycle:
    """``CYCLE columns SET mark TO value DEFAULT default USING path``."""

    columns: tuple[str, ...]
    mark: str
    value: Expression
    default: Expression
    path: str


@dataclass(frozen=True, slots=True)
class CommonTable:
    """One WITH entry. `materialized`: True, False, or None where nothing was written."""

    name: str
    columns: tuple[str, ...]
    query: Query
    materialized: bool | None = None
    search: Search | None = None
    cycle: Cycle | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What every query may carry around its body."""

    ctes: tuple[CommonTable, ...]
    recursive: bool
    order_by: tuple[SortKey, ...]
    limit: Expression | None
    offset: Expression | None
    with_ties: bool
    locking: str


@dataclass(frozen=True, slots=True)
class Target:
    """An item of the select list; canonical text names every one of them."""

    expression: Expression
    alias: str | None


@dataclass(frozen=True, slots=True)
class GroupingSets:
    """``ROLLUP (...)``, ``CUBE (...)``, ``GROUPING SETS (...)``, or a plain tuple (kind '')."""

    kind: str
    items: tuple[GroupItem, ...]


GroupItem = Expression | GroupingSets


@dataclass(frozen=True, slots=True)
class Select(Query):
    """One SELECT block. `distinct` is None, () for DISTINCT, or the DISTINCT ON expressions."""

    targets: tuple[Target, ...]
    distinct: tuple[Expression, ...] | None
    sources: tuple[FromItem, ...]
    where: Expression | None
    group_by: tuple[GroupItem, ...]
    group_distinct: bool
    having: Expression | None
    windows: tuple[tuple[str, WindowSpec], ...]


@dataclass(frozen=True, slots=True)
class SetOperation(Query):
    """``left UNION/INTERSECT/EXCEPT [ALL] right``."""

    operation: str
    all: bool
    left: Query
    right: Query


@dataclass(frozen=True, slots=True)
class Values(Query):
    rows: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True, slots=True)
class Alias:
    name: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FromItem:
    """Base of what may stand in FROM."""


@dataclass(frozen=True, slots=True)
class Table(FromItem):
    """A table, view or WITH name (schema None). `only`: ONLY was written.

    `sample` is the TABLESAMPLE clause as text ('' without one).
    """

    schema: str | None
    name: str
    alias: Alias | None = None
    only: bool = False
    sample: str = ""


@dataclass(frozen=True, slots=True)
class Derived(FromItem):
    """A subquery in FROM."""

    query: Query
    alias: Alias | None
    lateral: bool = False


@dataclass(frozen=True, slots=True)
class FunctionItem:
    """One function of a FROM item, with its column definition list where it needs one."""

    call: Call | Expression
    definitions: tuple[tuple[str, TypeName, Name | None], ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionSource(FromItem):
    """``f(...) [WITH ORDINALITY]`` or ``ROWS FROM (...)`` (more than one function)."""

    functions: tuple[FunctionItem, ...]
    alias: Alias | None
    ordinality: bool = False
    lateral: bool = False


@dataclass(frozen=True, slots=True)
class TemplateSource(FromItem):
    """XMLTABLE, JSON_TABLE: text pieces around expressions. `names`: of its columns, in order."""

    construct: str
    parts: tuple[str | Expression, ...]
    alias: Alias | None
    lateral: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Join(FromItem):
    """``left kind JOIN right``; kind is INNER, LEFT, RIGHT, FULL or CROSS.

    `using` with its optional alias, or `on`; canonical text never says NATURAL.
    """

    kind: str
    left: FromItem
    right: FromItem
    on: Expression | None = None
    using: tuple[str, ...] = ()
    using_alias: str | None = None
    alias: Alias | None = None


def plain_select(targets: tuple[Target, ...], sources: tuple[FromItem, ...]) -> Select:
    """A SELECT of nothing but a select list and FROM."""
    return Select(
        ctes=(),
        recursive=False,
        order_by=(),
        limit=None,
        offset=None,
        with_ties=False,
        locking="",
        targets=targets,
        distinct=None,
        sources=sources,
        where=None,
        group_by=(),
        group_distinct=False,
        having=None,
        windows=(),
    )
