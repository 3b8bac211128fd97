"""Facts about relations and types, read from the catalog once per compilation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pgtrickle.database import Session
from pgtrickle.errors import PgTrickleError

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
    preference. `row_security`: policies restrict what the current user sees. `readable`: the
    current user may select all of it.
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
    has_row_security: bool
    row_security: bool
    readable: bool
    is_system: bool
    is_stream_table: bool

    def column(self, name: str) -> ColumnFacts | None:
        """Find a column by its name."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """What can be done with values of a type.

    `equal_is_same`: values that compare equal under a deterministic collation print the same
    (not so for numeric, float, jsonb, interval, bpchar, citext, ...). `has_equality` and
    `has_order` come with a default btree operator class, `has_hash` with a hash one.
    """

    oid: int
    schema: str
    name: str
    category: str
    equal_is_same: bool
    has_equality: bool
    has_order: bool
    has_hash: bool


class Catalog:
    """The facts of one compilation. Every answer is kept, so it must not outlive a DDL change."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._relations: dict[int, RelationFacts] = {}
        self._oids: dict[tuple[str, str], int] = {}
        self._types: dict[int, TypeFacts] = {}
        self._stream_tables: frozenset[int] | None = None

    def relation(self, schema: str | None, name: str) -> RelationFacts:
        """Get a relation by name; without a schema, as canonical text means it (pg_catalog first).

        Raises UnknownRelation.
        """
        place = (schema or "", name)
        if place not in self._oids:
            self._oids[place] = self._find(schema, name)
        return self.relation_of_oid(self._oids[place])

    def relation_of_oid(self, oid: int) -> RelationFacts:
        """Get a relation by OID. Raises UnknownRelation."""
        if oid not in self._relations:
            self._relations[oid] = self._read_relation(oid)
        return self._relations[oid]

    def type(self, oid: int) -> TypeFacts:
        """Get a type by OID; domains have the facts of what is under them."""
        if oid not in self._types:
            self._types[oid] = self._read_type(oid)
        return self._types[oid]

    def equal_is_same(self, column: ColumnFacts) -> bool:
        """Tell whether equal values of a column are the same value, collation considered."""
        return column.deterministic and self.type(column.type_oid).equal_is_same

    # Relations

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

    def _read_relation(self, oid: int) -> RelationFacts:
        rows = self.session.rows(_RELATION, (oid,))
        if not rows:
            raise UnknownRelation(f"relation with OID {oid} does not exist")
        (row,) = rows
        schema, name, kind, persistence, owner, options, is_partition, children, *rights = row
        has_row_security, row_security, readable = rights
        return RelationFacts(
            oid=oid,
            schema=schema,
            name=name,
            kind=kind,
            persistence=persistence,
            owner=owner,
            options=tuple(options),
            columns=tuple(ColumnFacts(*column) for column in self.session.rows(_COLUMNS, (oid,))),
            keys=tuple(
                Key(index, tuple(columns), primary)
                for index, columns, primary in self.session.rows(_KEYS, (oid,))
            ),
            is_partition=is_partition,
            is_partitioned=kind == "p",
            has_children=children,
            has_row_security=has_row_security,
            row_security=row_security,
            readable=readable,
            is_system=oid < FIRST_USER_OID or schema in {"pg_catalog", "information_schema"},
            is_stream_table=oid in self._known_stream_tables(),
        )

    def _known_stream_tables(self) -> frozenset[int]:
        if self._stream_tables is None:
            exists = "select pg_catalog.to_regclass('pgtrickle.pgt_stream_tables') is not null"
            oids: list[tuple[Any, ...]] = []
            if self.session.rows(exists) == [(True,)]:
                oids = self.session.rows(
                    "select pgt_relid::bigint from pgtrickle.pgt_stream_tables"
                )
            self._stream_tables = frozenset(int(row[0]) for row in oids if row[0] is not None)
        return self._stream_tables

    # Types

    def _read_type(self, oid: int) -> TypeFacts:
        ((schema, name, kind, category, base, element, subtype, attributes),) = self.session.rows(
            _TYPE, (oid,)
        )
        if kind == "d":
            under = self.type(base)
        elif element:
            under = _all_of([self.type(element)])
        elif subtype:
            under = _all_of([self.type(subtype)])
        elif kind == "c":
            under = _all_of([self.type(attribute) for attribute in attributes])
        else:
            under = self._read_operators(oid)
        return TypeFacts(
            oid=oid,
            schema=schema,
            name=name,
            category=category,
            equal_is_same=under.equal_is_same,
            has_equality=under.has_equality,
            has_order=under.has_order,
            has_hash=under.has_hash,
        )

    def _read_operators(self, oid: int) -> TypeFacts:
        ((order, same, hashed),) = self.session.rows(_OPERATORS, (oid,))
        return TypeFacts(oid, "", "", "", bool(same), bool(order or hashed), order, hashed)


def _all_of(parts: list[TypeFacts]) -> TypeFacts:
    """Combine the facts of the parts of an array, a range or a composite."""
    return TypeFacts(
        0,
        "",
        "",
        "",
        equal_is_same=all(part.equal_is_same for part in parts),
        has_equality=all(part.has_equality for part in parts),
        has_order=all(part.has_order for part in parts),
        has_hash=all(part.has_hash for part in parts),
    )


_RELATION = """
    select n.nspname, c.relname, c.relkind::text, c.relpersistence::text,
      pg_catalog.pg_get_userbyid(c.relowner)::text, coalesce(c.reloptions, '{}'),
      c.relispartition,
      exists (select from pg_catalog.pg_inherits i where i.inhparent = c.oid),
      c.relrowsecurity, pg_catalog.row_security_active(c.oid),
      pg_catalog.has_table_privilege(c.oid, 'SELECT')
        and pg_catalog.has_schema_privilege(n.oid, 'USAGE')
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = %s::oid
"""

# A type is qualified whatever the search_path is: as format_type() does under an empty one.
_COLUMNS = """
    select a.attname, a.attnum, a.atttypid::bigint,
      case when n.nspname = 'pg_catalog'
        then pg_catalog.format_type(a.atttypid, a.atttypmod)
        else pg_catalog.format('%%I.%%I', n.nspname, y.typname) || coalesce(
          substring(
            pg_catalog.format_type(a.atttypid, a.atttypmod)
            from '(?:\\([^()"]*\\))?(?:\\[\\])?$'
          ),
          ''
        )
      end,
      a.atttypmod,
      a.attnotnull and not exists (
        select from pg_catalog.pg_constraint k
        where k.conrelid = a.attrelid
          and k.contype = 'n'
          and k.conkey = array[a.attnum]
          and not k.convalidated
      ),
      a.attgenerated::text, a.attcollation::bigint,
      coalesce(l.collisdeterministic, true)
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type t on t.oid = a.atttypid
    join pg_catalog.pg_type y
      on y.oid = case when t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc
        then t.typelem else t.oid end
    join pg_catalog.pg_namespace n on n.oid = y.typnamespace
    left join pg_catalog.pg_collation l on l.oid = a.attcollation
    where a.attrelid = %s::oid
      and a.attnum > 0
      and not a.attisdropped
    order by a.attnum
"""

# The primary key first, then the narrowest.
_KEYS = """
    select c.relname, array_agg(a.attname::text order by k.place), i.indisprimary
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    cross join lateral unnest(i.indkey::smallint[]) with ordinality as k (number, place)
    left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
    where i.indrelid = %s::oid
      and i.indisunique
      and i.indisvalid
      and i.indimmediate
      and not i.indisexclusion
      and i.indpred is null
      and i.indexprs is null
      and k.place <= i.indnkeyatts
    group by i.indexrelid, c.relname, i.indisprimary, i.indnkeyatts
    having bool_and(
      a.attnotnull and not exists (
        select from pg_catalog.pg_constraint n
        where n.conrelid = a.attrelid
          and n.contype = 'n'
          and n.conkey = array[a.attnum]
          and not n.convalidated
      )
    )
    order by i.indisprimary desc, i.indnkeyatts, c.relname
"""

_TYPE = """
    select n.nspname, t.typname, t.typtype::text, t.typcategory::text, t.typbasetype::bigint,
      case when t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc
        then t.typelem::bigint else 0 end,
      coalesce((
        select r.rngsubtype::bigint
        from pg_catalog.pg_range r
        where t.oid in (r.rngtypid, r.rngmultitypid)
      ), 0),
      array(
        select a.atttypid::bigint
        from pg_catalog.pg_attribute a
        where a.attrelid = t.typrelid
          and a.attnum > 0
          and not a.attisdropped
      )
    from pg_catalog.pg_type t
    join pg_catalog.pg_namespace n on n.oid = t.typnamespace
    where t.oid = %s::oid
"""

# The default operator classes of a type itself, or of one it is silently and binarily taken for
# (varchar for text), or of all enums. Whether equal values have equal images is known to
# PostgreSQL as support function 4 of a btree class. bpchar claims it, but 'a'::bpchar and
# 'a '::bpchar are equal and differ.
_OPERATORS = """
    with class as (
      select m.amname as method, c.opcfamily as family, c.opcintype as type
      from pg_catalog.pg_type t
      join pg_catalog.pg_opclass c on c.opcdefault
      join pg_catalog.pg_am m on m.oid = c.opcmethod and m.amname in ('btree', 'hash')
      where t.oid = %s::oid
        and (
          c.opcintype = t.oid
          or t.typtype = 'e' and c.opcintype = 'pg_catalog.anyenum'::regtype
          or exists (
            select from pg_catalog.pg_cast k
            where k.castsource = t.oid
              and k.casttarget = c.opcintype
              and k.castmethod = 'b'
              and k.castcontext = 'i'
          )
          and not exists (
            select from pg_catalog.pg_opclass own
            where own.opcdefault and own.opcmethod = c.opcmethod and own.opcintype = t.oid
          )
        )
    )
    select
      exists (select from class where method = 'btree'),
      exists (
        select from class c
        join pg_catalog.pg_amproc p
          on p.amprocfamily = c.family
          and p.amproclefttype = c.type
          and p.amprocrighttype = c.type
          and p.amprocnum = 4
        where c.method = 'btree'
          and c.type <> 'pg_catalog.bpchar'::regtype
      ),
      exists (select from class where method = 'hash')
"""
