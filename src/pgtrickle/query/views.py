"""Views inside a query, replaced by their definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pgtrickle.database import Session
from pgtrickle.errors import PgTrickleError
from pgtrickle.query.canonical import Canonical, canonicalise_view
from pgtrickle.query.catalog import Catalog, RelationFacts, UnknownRelation
from pgtrickle.query.expression import WholeRow
from pgtrickle.query.parse import parse
from pgtrickle.query.prove import prove
from pgtrickle.query.statement import Alias, Derived, FromItem, Query, Table
from pgtrickle.query.traverse import transform, walk


@dataclass(frozen=True, slots=True)
class OpaqueView:
    """A view that may not be looked into, and why."""

    oid: int
    schema: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inlined:
    """A query without its views.

    `views` are those replaced, at any depth: their definitions by OID. `opaque_views` still stand
    in `query` as tables: where there are any, the query can only be recomputed.
    """

    query: Query
    views: Mapping[int, Canonical]
    opaque_views: tuple[OpaqueView, ...]


def inline_views(session: Session, query: Query, catalog: Catalog | None = None) -> Inlined:
    """Replace every view in `query` by its canonical definition, at any depth.

    A view keeps its alias and its column names. Leaves the session as it was.
    """
    inliner = _Inliner(session, catalog or Catalog(session))
    inlined = inliner.inline(query)
    return Inlined(inlined, inliner.canonical, tuple(inliner.opaque.values()))


class _Inliner:
    def __init__(self, session: Session, catalog: Catalog) -> None:
        self.session = session
        self.catalog = catalog
        self.definitions: dict[int, Query] = {}
        self.canonical: dict[int, Canonical] = {}
        self.opaque: dict[int, OpaqueView] = {}

    def inline(self, query: Query) -> Query:
        row_names = {node.relation for node in walk(query) if isinstance(node, WholeRow)}

        def replaced(node: object) -> object:
            return self._source(node, row_names) if isinstance(node, Table) else node

        return transform(query, replaced)

    def _source(self, table: Table, row_names: set[str]) -> FromItem:
        view = self._view(table)
        if view is None:
            return table
        name = table.name if table.alias is None else table.alias.name
        if name in row_names:
            return self._keep(table, view, "its rows are used as values of its row type")
        definition = self._definition(view)
        if definition is None:
            return table
        alias = Alias(name) if table.alias is None else replace(table.alias, name=name)
        return Derived(definition, alias)

    def _view(self, table: Table) -> RelationFacts | None:
        if table.schema is None:
            return None  # a WITH entry, or a system catalog
        try:
            relation = self.catalog.relation(table.schema, table.name)
        except UnknownRelation:
            return None
        return relation if relation.kind == "v" else None

    def _keep(self, table: Table, view: RelationFacts, reason: str) -> Table:
        self.opaque[view.oid] = OpaqueView(view.oid, view.schema, view.name, reason)
        return table

    def _definition(self, view: RelationFacts) -> Query | None:
        """Give the inlined definition of a view, or None and a note in `opaque`."""
        if view.oid in self.opaque:
            return None
        if view.oid not in self.definitions:
            reason, definition = self._read(view)
            if definition is None:
                self.opaque[view.oid] = OpaqueView(view.oid, view.schema, view.name, reason)
                return None
            self.definitions[view.oid] = self.inline(definition)
        return self.definitions[view.oid]

    def _read(self, view: RelationFacts) -> tuple[str, Query | None]:
        reason = _guarded(view)
        if reason is not None:
            return reason, None
        try:
            reason = self._out_of_reach(view.reads)
            if reason is not None:
                return reason, None
            canonical = canonicalise_view(self.session, view.oid)
            definition = parse(canonical.text)
            failure = prove(self.session, canonical, definition)
        except PgTrickleError as error:
            return str(error), None
        if failure is not None:
            return failure.reason, None
        self.canonical[view.oid] = canonical
        return "", definition

    def _out_of_reach(self, relations: tuple[int, ...]) -> str | None:
        """Say why the current user may not read for itself what the view reads for it."""
        for oid in relations:
            relation = self.catalog.relation_of_oid(oid)
            shown = f"{relation.schema}.{relation.name}"
            if not relation.readable:
                return f"it reads {shown}, which the current role may not select from"
            if relation.has_row_security:
                return f"it reads {shown}, which has row security"
        return None


def _guarded(view: RelationFacts) -> str | None:
    """Say why a view may not be looked into for what it is."""
    if view.is_system:
        return "it is a system view"
    if view.persistence == "t":
        return "it is a temporary view"
    for option in view.options:
        name, _, value = option.partition("=")
        if name == "security_barrier" and value.lower() in _TRUE:
            # Nothing above may be evaluated for rows that the view leaves out, be it an error.
            return "it is a security_barrier view"
    return None


_TRUE = {"", "true", "on", "yes", "1", "t", "y"}
