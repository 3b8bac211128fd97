"""Facts about relations and types, read from the catalog once per compilation.

The questions are in ``relations.sql`` and ``types.sql``; each is asked for many objects at once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pgtrickle.database import Session
from pgtrickle.errors import PgTrickleError
from pgtrickle.query.types import BUILT_IN, TypeFacts, learn

FIRST_USER_OID = 16384
"""Objects with a smaller OID came with PostgreSQL (FirstNormalObjectId)."""


class UnknownRelation(PgTrickleError):  # noqa: N818
    """The catalog has no such relation."""

    sqlstate = "42P01"


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A column of a relation, dropped ones left out.

    `type` carries the type modifier (``numeric(10,2)``). `generated` is '', 's' (stored) or 'v'
    (virtual). `collation` is an OID, 0 where the type has none. `not_null` holds only where
    every row is known to comply (a NOT NULL constraint not yet validated does not count).
    """

    name: str
    number: int
    type_oid: int
    type: str
    type_modifier: int
    not_null: bool
    generated: str
    collation: int
    deterministic: bool


@dataclass(frozen=True, slots=True)
class Key:
    """A unique index that identifies rows: on plain columns, all NOT NULL, checked at once."""

    index: str
    columns: tuple[str, ...]
    primary: bool


@dataclass(frozen=True, slots=True)
class RelationFacts:
    """What the engine needs to know of a relation.

    `kind` is pg_class.relkind, `persistence` pg_class.relpersistence. `keys` are in order of
    preference. `is_replicated`: a subscription writes it, or a partition of it. `row_security`:
    policies restrict what the current user sees. `readable`: the current user may select all of
    it. `unseen_partition` names one that is foreign or unlogged. `reads`: OIDs of the relations
    that a view names itself.
    """

    oid: int
    schema: str
    name: str
    kind: str
    persistence: str
    owner: str
    options: tuple[str, ...]
    columns: tuple[ColumnFacts, ...]
    keys: tuple[Key, ...]
    is_partition: bool
    is_partitioned: bool
    has_children: bool
    inherits: bool
    is_replicated: bool
    has_row_security: bool
    row_security: bool
    readable: bool
    unseen_partition: str | None
    reads: tuple[int, ...]
    is_system: bool

    def column(self, name: str) -> ColumnFacts | None:
        """Find a column by its name."""
        return next((column for column in self.columns if column.name == name), None)


class Catalog:
    """The facts of one compilation. Every answer is kept, so it must not outlive a DDL change.

    `path` are the schemas in which the query's operators are looked up: the session's, if None.
    """

    def __init__(self, session: Session, path: list[str] | None = None) -> None:
        self.session = session
        self.path = path
        self._relations: dict[int, RelationFacts] = {}
        self._oids: dict[tuple[str | None, str], int] = {}
        self.known_types = dict(BUILT_IN)

    # Relations

    def read_relations(self, oids: Iterable[int]) -> None:
        """Read relations, and what stands under the views among them, in one question."""
        unknown = [oid for oid in oids if oid not in self._relations]
        if not unknown:
            return
        for row in self.session.rows(_question("relations"), (unknown,)):
            relation = _relation(row)
            self._relations[relation.oid] = relation
            self._oids[relation.schema, relation.name] = relation.oid

    def relation(self, schema: str | None, name: str) -> RelationFacts:
        """Get a relation by name; without a schema, as canonical text means it (pg_catalog first).

        Raises UnknownRelation.
        """
        place = (schema, name)
        if place not in self._oids:
            self._oids[place] = self._find(schema, name)
        return self.relation_of_oid(self._oids[place])

    def relation_of_oid(self, oid: int) -> RelationFacts:
        """Get a relation by OID. Raises UnknownRelation."""
        self.read_relations([oid])
        if oid not in self._relations:
            raise UnknownRelation(f"relation with OID {oid} does not exist")
        return self._relations[oid]

    def column_types(self) -> set[int]:
        """OIDs of the types of all columns of the relations read so far."""
        return {column.type_oid for each in self._relations.values() for column in each.columns}

    def _find(self, schema: str | None, name: str) -> int:
        schemas = "= %s" if schema is not None else "= any (array['pg_catalog', %s])"
        found = self.session.rows(
            f"""
            select c.oid::bigint
            from pg_catalog.pg_class c
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where (n.nspname {schemas} or %s and n.oid = pg_catalog.pg_my_temp_schema())
              and c.relname = %s
              and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
            order by n.nspname = 'pg_catalog' desc
            limit 1
            """,
            (schema or "pg_catalog", schema is None, name),
        )
        if not found:
            shown = name if schema is None else f"{schema}.{name}"
            raise UnknownRelation(f'relation "{shown}" does not exist')
        return int(found[0][0])

    # Types

    def read_types(self, oids: Collection[int]) -> None:
        """Read types, and those they are made of, in one question.

        To plan it takes longer than to answer it, so those of all columns read come along.
        """
        if all(oid in self.known_types for oid in oids):
            return
        unknown = sorted({*oids, *self.column_types()} - self.known_types.keys())
        rows = self.session.rows(_question("types"), (unknown, self.path))
        made = {int(row[0]): row for row in rows}
        for oid in made:
            learn(oid, made, self.known_types)

    def type(self, oid: int) -> TypeFacts:
        """Get a type by OID; domains have the facts of what is under them."""
        self.read_types([oid])
        return self.known_types[oid]


@cache
def _question(name: str) -> str:
    return files("pgtrickle.query").joinpath(f"{name}.sql").read_text(encoding="utf-8")


def _relation(row: tuple[Any, ...]) -> RelationFacts:
    """What a row of relations.sql says."""
    oid, schema, name, kind, persistence, owner, options, *flags, unseen, reads, columns, keys = row
    (
        is_partition,
        has_children,
        inherits,
        is_replicated,
        has_row_security,
        row_security,
        readable,
    ) = flags
    return RelationFacts(
        oid=int(oid),
        schema=schema,
        name=name,
        kind=kind,
        persistence=persistence,
        owner=owner,
        options=tuple(options),
        columns=tuple(ColumnFacts(*column) for column in json.loads(columns)),
        keys=tuple(Key(index, tuple(names), primary) for index, names, primary in json.loads(keys)),
        is_partition=is_partition,
        is_partitioned=kind == "p",
        has_children=has_children,
        inherits=inherits,
        is_replicated=is_replicated,
        has_row_security=has_row_security,
        row_security=row_security,
        readable=readable,
        unseen_partition=unseen,
        reads=tuple(reads),
        is_system=oid < FIRST_USER_OID or schema in {"pg_catalog", "information_schema"},
    )
