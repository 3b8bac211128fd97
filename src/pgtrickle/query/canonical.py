"""The canonical form of a query: what PostgreSQL prints of it once that comes to rest.

Stars are expanded, names qualified, casts explicit; reformatting a query does not change it. It
is read and printed under pinned settings, so the same query gives the same text in every session.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgtrickle.database import Session
from pgtrickle.query.parse import check_one_select
from pgtrickle.query.rendition import (
    OutputColumn,
    Rendition,
    UnreadableRendition,
    columns_of_query,
    rendition_of_query,
    rendition_of_view,
)
from pgtrickle.query.rule_tree import same_rule_tree

__all__ = [
    "Canonical",
    "canonicalise",
    "canonicalise_view",
    "describe",
    "same_meaning",
]


@dataclass(frozen=True, slots=True)
class Canonical:
    """A query in canonical form.

    `text` has no trailing semicolon, and `tree` is its rule tree. `relations` are the OIDs of the
    tables and views the query names itself (not those under its views). `obstacle` says why `text`
    may not stand for the query, or is None: then the query must be kept as the user wrote it, and
    recomputed.
    """

    text: str
    tree: str
    columns: tuple[OutputColumn, ...]
    relations: tuple[int, ...]
    obstacle: str | None = None


def canonicalise(session: Session, query: str) -> Canonical:
    """Bring a query, read under the session's own settings, into canonical form.

    Leaves the session as it was. Raises InvalidQuery where PostgreSQL refuses the query,
    InvalidSyntax or UnsupportedSyntax where the text is not one SELECT.
    """
    check_one_select(query)
    try:
        return _canonical(rendition_of_query(session, query))
    except UnreadableRendition as error:
        return _unreadable(rendition_of_query(session, query, rounds=0), error)


def canonicalise_view(session: Session, view: int) -> Canonical:
    """Bring the definition of an existing view into canonical form. Raises InvalidQuery."""
    try:
        return _canonical(rendition_of_view(session, view))
    except UnreadableRendition as error:
        return _unreadable(rendition_of_view(session, view, rounds=0), error)


def same_meaning(session: Session, view_a: int, view_b: int) -> bool:
    """Tell whether two views (OIDs) have the same rule tree but for presentation."""
    tree_a = rendition_of_view(session, view_a, rounds=0).source_tree
    return same_rule_tree(tree_a, rendition_of_view(session, view_b, rounds=0).source_tree)


def describe(session: Session, query: str) -> tuple[OutputColumn, ...]:
    """Give the result columns of a query, read under the session's own settings.

    Raises InvalidQuery, InvalidSyntax, UnsupportedSyntax. Column names must be distinct.
    """
    check_one_select(query)
    return columns_of_query(session, query)


def _canonical(rendition: Rendition) -> Canonical:
    return Canonical(
        text=rendition.text,
        tree=rendition.final_tree,
        columns=rendition.columns,
        relations=rendition.relations,
        obstacle=_obstacle(rendition),
    )


def _unreadable(description: Rendition, error: UnreadableRendition) -> Canonical:
    return Canonical(
        text=error.printed,
        tree=description.source_tree,
        columns=description.columns,
        relations=description.relations,
        obstacle=str(error),
    )


def _obstacle(rendition: Rendition) -> str | None:
    if not rendition.at_rest:
        return "PostgreSQL prints the query differently each time it reads it back"
    if not same_rule_tree(rendition.source_tree, rendition.final_tree):
        return "what PostgreSQL prints of the query does not mean quite the same as the query"
    return None
