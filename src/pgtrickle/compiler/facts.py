"""The database as lowering and the delta rules ask about it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pgtrickle.database import Session
from pgtrickle.delta.apply import OutputColumn
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.relation import select
from pgtrickle.delta.rules import RULES
from pgtrickle.delta.state import ColumnType, States
from pgtrickle.query import catalog
from pgtrickle.query.algebra import Node
from pgtrickle.query.canonical import describe
from pgtrickle.query.expression import Expression, Name
from pgtrickle.query.lowering import NotIncremental, RelationFacts
from pgtrickle.query.render import render_expression
from pgtrickle.query.rendition import OutputColumn as ResultColumn


class DatabaseFacts:
    """Implements `lowering.Facts` and `delta.state.Describer` over the catalog."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._catalog = catalog.Catalog(session)
        self._kinds: dict[Name, frozenset[str]] = {}

    def relation(self, schema: str, name: str) -> RelationFacts:
        found = self._catalog.relation(schema, name)
        return RelationFacts(
            found.oid,
            tuple((column.name, column.not_null) for column in found.columns),
            tuple(key.columns for key in found.keys),
            self._obstacle(found),
        )

    def _obstacle(self, relation: catalog.RelationFacts) -> str | None:
        """Why the changes of a relation cannot be captured."""
        kinds = {
            "m": "changes of a materialized view cannot be captured",
            "f": "changes of a foreign table cannot be captured",
            "v": "the view cannot be looked into",
            "S": "changes of a sequence cannot be captured",
        }
        if relation.kind in kinds:
            return kinds[relation.kind]
        if relation.is_system:
            return "changes of a system catalog cannot be captured"
        if relation.persistence == "u":
            return "an unlogged table loses its rows in a crash without a trace"
        if relation.is_partition:
            return "writes through the partitioned table above a partition cannot be told apart"
        if not relation.is_partitioned and (relation.has_children or self._inherits(relation.oid)):
            return "writes to a table that inherits, or is inherited from, may go unseen"
        if relation.row_security:
            return "row security decides at each refresh which of its rows count"
        virtual = [column.name for column in relation.columns if column.generated == "v"]
        if virtual:
            return f"triggers do not see the virtual generated column {virtual[0]}"
        reserved = [column.name for column in relation.columns if column.name in BUFFER_COLUMNS]
        if reserved:
            return f"its column {reserved[0]} has the name of a column of change buffers"
        return None

    def _inherits(self, oid: int) -> bool:
        return bool(
            self._session.rows(
                "select from pg_catalog.pg_inherits where inhrelid = %s::oid", (oid,)
            )
        )

    def is_aggregate(self, name: Name) -> bool:
        return "a" in self._kind(name)

    def returns_set(self, name: Name) -> bool:
        return "set" in self._kind(name)

    def _kind(self, name: Name) -> frozenset[str]:
        """prokind of every function of that name, and 'set' where one returns a set."""
        if name not in self._kinds:
            schema = name[-2] if len(name) > 1 else "pg_catalog"
            rows = self._session.rows(
                "select distinct p.prokind::text, p.proretset from pg_catalog.pg_proc p"
                " join pg_catalog.pg_namespace n on n.oid = p.pronamespace"
                " where n.nspname = %s and p.proname = %s",
                (schema, name[-1]),
            )
            self._kinds[name] = frozenset(
                [kind for kind, _ in rows] + ["set" for _, returns_set in rows if returns_set]
            )
        return self._kinds[name]

    def check_settings(self) -> None:
        """Raise NotIncremental where the session prints values so that different ones look alike.

        The delta rules compare rows by what they print as.
        """
        ((digits, style),) = self._session.rows(
            "select current_setting('extra_float_digits')::integer, current_setting('DateStyle')"
        )
        if digits < 1:
            raise NotIncremental("extra_float_digits", "below 1, different numbers print alike")
        if not style.startswith("ISO"):
            raise NotIncremental("DateStyle", "other than ISO, different times can print alike")

    def types(self, node: Node, expressions: Sequence[Expression]) -> Sequence[str]:
        child = Maintenance(RULES, {}, frozenset(), States(self)).initial(node)
        items = [f"{render_expression(e)} AS x{i}" for i, e in enumerate(expressions)]
        return [
            column.type
            for column in describe(self._session, select(items, f"FROM {child.source('c')}"))
        ]

    def __call__(self, sql: str) -> Sequence[ColumnType]:
        return [
            ColumnType(
                column.type_oid,
                column.type,
                self._is_image(column),
                self._hashable(column),
                self._bounded(column),
            )
            for column in describe(self._session, sql)
        ]

    def _is_image(self, column: ResultColumn) -> bool:
        known = self._catalog.type(column.type_oid).equal_is_same
        # A length or scale that the type fixes leaves equal values one way to print.
        fixed = column.type_oid in (BPCHAR, NUMERIC) and "(" in column.type
        return (known or fixed) and self._deterministic(column)

    def _hashable(self, column: ResultColumn) -> bool:
        return self._catalog.type(column.type_oid).has_hash

    def _bounded(self, column: ResultColumn) -> bool:
        """Whether every value of the column fits into an index entry."""
        if column.type_oid in SHORT or self._catalog.type(column.type_oid).category == "E":
            return True
        limit = re.search(r"\((\d+)", column.type)
        return limit is not None and int(limit[1]) <= LONGEST

    def _deterministic(self, column: ResultColumn) -> bool:
        if not column.collation:
            return True
        rows = self._session.rows(
            "select collisdeterministic from pg_catalog.pg_collation where oid = %s::oid",
            (column.collation,),
        )
        return bool(rows and rows[0][0])

    def output(self, columns: Sequence[ResultColumn]) -> tuple[OutputColumn, ...]:
        """The stream table's columns as apply needs them."""
        types = sorted({column.type_oid for column in columns})
        hashed = self._hashed_forms(types)
        return tuple(
            OutputColumn(
                column.name,
                column.type,
                hashed.get(column.type_oid, "%s"),
                self._bounded(column),
            )
            for column in columns
        )

    def _hashed_forms(self, types: list[int]) -> dict[int, str]:
        """How the runtime hashes columns of each type; without a runtime there is no index."""
        known = "select pg_catalog.to_regprocedure('pgtrickle._hashed_form(oid)') is not null"
        if self._session.rows(known) != [(True,)]:
            return {}
        return dict(
            self._session.rows(
                "select t::bigint, pgtrickle._hashed_form(t) from unnest(%s::oid[]) t", (types,)
            )
        )


BPCHAR, NUMERIC = 1042, 1700
BUFFER_COLUMNS = frozenset({"__pgt_xid", "__pgt_seq", "__pgt_weight"})

LONGEST = 250
"""Characters or digits up to which a value counts as short."""

SHORT = frozenset(
    {16, 18, 19, 20, 21, 23, 26, 650, 700, 701, 790, 829, 869, 1082, 1083, 1114, 1184, 1186, 1266}
    | {2950}
)
"""OIDs of built-in types of small size: booleans, integers, floats, money, dates and times, network
addresses, uuid, name."""
