"""The database as lowering and the delta rules ask about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pgtrickle.database import Session
from pgtrickle.delta.column_types import NUMERIC
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.relation import select
from pgtrickle.delta.rules import RULES
from pgtrickle.delta.state import ColumnType, Selection, States
from pgtrickle.delta.target import OutputColumn
from pgtrickle.query import catalog
from pgtrickle.query.algebra import Constant, Node, Scan, walk_nodes
from pgtrickle.query.expression import Call, Collate, Column, Expression, Name
from pgtrickle.query.lowering import NotIncremental, RelationFacts
from pgtrickle.query.origins import column_origin
from pgtrickle.query.render import render_expression
from pgtrickle.query.rendition import InvalidQuery, columns_of_query
from pgtrickle.query.rendition import OutputColumn as ResultColumn
from pgtrickle.query.statement import Query
from pgtrickle.query.traverse import children, walk

DETERMINISTIC = ("C", "POSIX", "default")
"""Collations that need not be looked up."""


class DatabaseFacts:
    """Implements `lowering.Facts` and `delta.state.Describer` over the catalog.

    `path` are the schemas in which the query's operators are looked up.
    """

    def __init__(self, session: Session, path: list[str]) -> None:
        self._session = session
        self.catalog = catalog.Catalog(session, path)
        self._kinds: dict[Name, frozenset[str]] = {
            name: frozenset("a") for name in (("JSON_ARRAYAGG",), ("JSON_OBJECTAGG",))
        }

    def relation(self, schema: str, name: str) -> RelationFacts:
        found = self.catalog.relation(schema, name)
        return RelationFacts(
            found.oid,
            tuple((column.name, column.not_null) for column in found.columns),
            tuple(key.columns for key in found.keys),
            self._obstacle(found),
            tuple(
                (column.name, _scale(column.type_modifier))
                for column in found.columns
                if column.type_oid == NUMERIC and column.type_modifier >= 0
            ),
            tuple((column.name, column.type_oid) for column in found.columns),
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
        if relation.unseen_partition is not None:
            return f"its partition {relation.unseen_partition}, whose changes may go unseen"
        if not relation.is_partitioned and (relation.has_children or relation.inherits):
            return "writes to a table that inherits, or is inherited from, may go unseen"
        if relation.is_replicated:
            return "logical replication writes it, which fires no triggers of statements"
        if relation.row_security:
            return "row security decides at each refresh which of its rows count"
        virtual = [column.name for column in relation.columns if column.generated == "v"]
        if virtual:
            return f"triggers do not see the virtual generated column {virtual[0]}"
        reserved = [column.name for column in relation.columns if column.name in BUFFER_COLUMNS]
        if reserved:
            return f"its column {reserved[0]} has the name of a column of change buffers"
        return None

    def has_one_equality(self, root: Node) -> bool:
        """Whether no nondeterministic collation is in sight of a query."""
        for node in _nodes_and_expressions(root):
            match node:
                case Collate(collation=collation) if collation[-1] not in DETERMINISTIC:
                    return False
                case Constant(sql=sql) if "COLLATE" in sql:
                    return False
                case Scan():
                    relation = self.catalog.relation(node.schema, node.name)
                    for _, name in node.columns:
                        column = relation.column(name)
                        if column is not None and not column.deterministic:
                            return False
        return True

    def is_aggregate(self, name: Name) -> bool:
        return "a" in self._kind(name)

    def is_null_over_no_rows(self, name: Name) -> bool:
        return "value" not in self._kind(name)

    def returns_set(self, name: Name) -> bool:
        return "set" in self._kind(name)

    def read_functions(self, query: Query) -> None:
        """Read about the functions a query calls, in one question."""
        called = {node.name for node in walk(query) if isinstance(node, Call)}
        self._read_kinds(called - self._kinds.keys())

    def _kind(self, name: Name) -> frozenset[str]:
        """What the functions of that name are.

        Their prokind, 'set' where one returns a set, 'value' where an aggregate may be other than
        NULL over no rows.
        """
        if name not in self._kinds:
            self._read_kinds({name})
        return self._kinds[name]

    def _read_kinds(self, names: set[Name]) -> None:
        asked = {name: (name[-2] if len(name) > 1 else "pg_catalog", name[-1]) for name in names}
        rows = self._session.rows(
            "select distinct n.nspname::text, p.proname::text, unnest(array[p.prokind::text,"
            " case when p.proretset then 'set' end,"
            " case when a.agginitval is not null or not coalesce(f.proisstrict, true)"
            " then 'value' end])"
            " from unnest(%s::text[], %s::text[]) as asked (schema, name)"
            " join pg_catalog.pg_namespace n on n.nspname = asked.schema"
            " join pg_catalog.pg_proc p on p.pronamespace = n.oid and p.proname = asked.name"
            " left join pg_catalog.pg_aggregate a on a.aggfnoid = p.oid"
            " left join pg_catalog.pg_proc f on f.oid = a.aggfinalfn",
            ([schema for schema, _ in asked.values()], [name for _, name in asked.values()]),
        )
        for name, place in asked.items():
            self._kinds[name] = frozenset(
                kind for *found_at, kind in rows if tuple(found_at) == place and kind is not None
            )

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
        known = [self._column_type(node, expression) for expression in expressions]
        if None not in known:
            return [type for type in known if type is not None]
        child = Maintenance(RULES, {}, frozenset(), States(self)).initial(node)
        items = tuple(render_expression(expression) for expression in expressions)
        (types,) = self([], [Selection(items, child.source("c"))])
        return [type.name for type in types]

    def _column_type(self, node: Node, expression: Expression) -> str | None:
        """The type of an attribute that is a table's column all the way, else None."""
        if not isinstance(expression, Column):
            return None
        origin = column_origin(node, expression.name)
        if origin is None:
            return None
        scan, name = origin
        column = self.catalog.relation_of_oid(scan.relid).column(name)
        return None if column is None else column.type

    def __call__(
        self, ctes: Sequence[str], selections: Sequence[Selection]
    ) -> Sequence[Sequence[ColumnType]]:
        """Describe all at once; one by one where some have no type that a column can have."""
        try:
            found = self._describe(ctes, selections)
        except InvalidQuery as error:
            if error.sqlstate != INVALID_TABLE_DEFINITION:
                raise
            return [
                [self._described_alone(ctes, item, each.source) for item in each.items]
                for each in selections
            ]
        self.catalog.read_types([column.type_oid for column in found])
        columns = iter(found)
        return [[self._column_type_of(next(columns)) for _ in each.items] for each in selections]

    def _described_alone(self, ctes: Sequence[str], item: str, source: str) -> ColumnType:
        try:
            (column,) = self._describe(ctes, [Selection((item,), source)])
        except InvalidQuery as error:
            if error.sqlstate != INVALID_TABLE_DEFINITION:
                raise
            return PSEUDO
        return self._column_type_of(column)

    def _describe(self, ctes: Sequence[str], selections: Sequence[Selection]) -> list[ResultColumn]:
        """The columns of all selections, in as few questions as a view's width allows."""
        found: list[ResultColumn] = []
        pending: list[Selection] = []
        for each in (*selections, None):
            width = sum(len(one.items) for one in pending)
            if pending and (each is None or width + len(each.items) > MOST_COLUMNS):
                found += columns_of_query(self._session, _question(ctes, pending))
                pending = []
            if each is not None and each.items:
                pending.append(each)
        return found

    def _column_type_of(self, column: ResultColumn) -> ColumnType:
        return ColumnType(
            column.type_oid,
            column.type,
            self._is_image(column),
            self._hashable(column),
            self._width(column),
            self.compares(column),
            self.catalog.type(column.type_oid).has_order,
        )

    def compares(self, column: ResultColumn) -> bool:
        """Whether ``=`` of the column's type is the equality that keys of it have."""
        return self.catalog.type(column.type_oid).compares

    def _is_image(self, column: ResultColumn) -> bool:
        known = self.catalog.type(column.type_oid).equal_is_same
        # A length or scale that the type fixes leaves equal values one way to print.
        fixed = column.type_oid in (BPCHAR, NUMERIC) and "(" in column.type
        return (known or fixed) and column.deterministic

    def _hashable(self, column: ResultColumn) -> bool:
        return self.catalog.type(column.type_oid).has_hash

    def _width(self, column: ResultColumn) -> int | None:
        """How many bytes a value of the column takes at most, None without a limit."""
        if column.type_oid in SHORT or self.catalog.type(column.type_oid).category == "E":
            return MOST_BYTES_OF_SHORT
        limit = re.search(r"\((\d+)[^\]]*$", column.type)  # (not of an array, of any length)
        if limit is None or int(limit[1]) > LONGEST:
            return None
        return BYTES_OF_A_CHARACTER * int(limit[1])

    def has_rows(self, scan: Scan) -> bool:
        """Whether a scan reads a column of a composite type."""
        relation = self.catalog.relation(scan.schema, scan.name)
        columns = (relation.column(name) for _, name in scan.columns)
        oids = {column.type_oid for column in columns if column is not None}
        self.catalog.read_types(oids)
        return any(self.catalog.type(oid).category == "C" for oid in oids)

    def refusal_of_columns(self, query: str) -> str | None:
        """Why no table can have the columns of a query; None where one can."""
        try:
            columns_of_query(self._session, query)
        except InvalidQuery as error:
            if error.sqlstate == INVALID_TABLE_DEFINITION:
                return str(error)
            raise
        return None

    def output(self, columns: Sequence[ResultColumn]) -> tuple[OutputColumn, ...]:
        """The stream table's columns as apply needs them."""
        types = sorted({column.type_oid for column in columns})
        self.catalog.read_types(types)
        hashed = self._hashed_forms(types)
        return tuple(
            OutputColumn(
                column.name,
                column.type,
                hashed.get(column.type_oid, "%s"),
                self._width(column),
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


def _nodes_and_expressions(root: Node) -> Iterator[object]:
    """Every operator once, and the expressions it holds."""
    for node in walk_nodes(root):
        yield node
        for part in children(node):
            if not isinstance(part, Node):
                yield from walk(part)


def _question(ctes: Sequence[str], selections: Sequence[Selection]) -> str:
    """A SELECT of all expressions, side by side."""
    prelude = f"WITH {', '.join(ctes)}\n" if ctes else ""
    columns, sources = [], []
    for n, each in enumerate(selections):
        names = [f"x{n}_{i}" for i in range(len(each.items))]
        items = [f"{item} AS {name}" for item, name in zip(each.items, names, strict=True)]
        columns += names
        sources.append(f"({select(items, f'FROM {each.source}')}) AS s{n}")
    return prelude + select(columns, f"FROM {', '.join(sources)}")


def _scale(modifier: int) -> int:
    """The decimals that all values of numeric(p, s) have, by its type modifier: none below zero."""
    bits = (modifier - 4) & 0x7FF
    return max((bits ^ 1024) - 1024, 0)


BPCHAR = 1042
BUFFER_COLUMNS = frozenset({"__pgt_xid", "__pgt_seq", "__pgt_weight"})

INVALID_TABLE_DEFINITION = "42P16"
PSEUDO = ColumnType(0, "record", bitwise=False, hashable=False, width=None)
"""A type that no column can have: a row without a named type."""

MOST_COLUMNS = 1000
"""Columns asked for in one question; a view may have 1600."""

LONGEST = 250
"""Characters or digits up to which a value counts as short."""

MOST_BYTES_OF_SHORT, BYTES_OF_A_CHARACTER = 64, 4

SHORT = frozenset(
    {16, 18, 19, 20, 21, 23, 26, 650, 700, 701, 790, 829, 869, 1082, 1083, 1114, 1184, 1186, 1266}
    | {2950}
)
"""OIDs of built-in types of small size: booleans, integers, floats, money, dates and times, network
addresses, uuid, name."""
