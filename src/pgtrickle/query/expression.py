"""Scalar expressions, as PostgreSQL's grammar has them.

Immutable nodes; an expression knows nothing of the relations it reads beyond the names it
uses. Where a node has no class of its own (SQL/JSON, XML and other rarities), `Template`
carries its text around its sub-expressions, so that every traversal still sees them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgtrickle.query.statement import Query

Name = tuple[str, ...]
"""A possibly qualified name, part by part, unquoted: ``('public', 'Orders')``."""


@dataclass(frozen=True, slots=True)
class Expression:
    """Base of all scalar expressions."""


@dataclass(frozen=True, slots=True)
class Column(Expression):
    """A column reference. `relation` is the FROM alias, or None when unqualified."""

    relation: str | None
    name: str


@dataclass(frozen=True, slots=True)
class WholeRow(Expression):
    """``relation.*`` used as one composite value."""

    relation: str


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """A constant, spelled as SQL (``'abc'``, ``42``, ``1.50``, ``NULL``, ``true``)."""

    sql: str


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as SQL spells it, e.g. ``numeric(10,2)`` or ``"s"."Mood"[]``."""

    sql: str


@dataclass(frozen=True, slots=True)
class Cast(Expression):
    operand: Expression
    type: TypeName


@dataclass(frozen=True, slots=True)
class Operator(Expression):
    """A prefix (left is None) or infix operator; `name` may be schema-qualified."""

    name: Name
    left: Expression | None
    right: Expression


@dataclass(frozen=True, slots=True)
class And(Expression):
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or(Expression):
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not(Expression):
    operand: Expression


@dataclass(frozen=True, slots=True)
class Is(Expression):
    """``operand IS [NOT] NULL / TRUE / FALSE / UNKNOWN``; `test` is e.g. ``'NOT NULL'``."""

    operand: Expression
    test: str


@dataclass(frozen=True, slots=True)
class DistinctFrom(Expression):
    """``left IS [NOT] DISTINCT FROM right``."""

    left: Expression
    right: Expression
    negated: bool


@dataclass(frozen=True, slots=True)
class Comparison(Expression):
    """``left op ANY/ALL (array)``. (ANY over a subquery is a `Sublink`.)"""

    left: Expression
    operator: Name
    quantifier: str
    array: Expression


@dataclass(frozen=True, slots=True)
class Case(Expression):
    operand: Expression | None
    branches: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression | None


@dataclass(frozen=True, slots=True)
class SortKey:
    """One item of an ORDER BY: direction is '', 'ASC' or 'DESC'; `using` an operator name."""

    expression: Expression
    direction: str = ""
    nulls: str = ""
    using: Name | None = None


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """``OVER (...)`` or a WINDOW clause entry; `frame` is its text, e.g. ``ROWS 2 PRECEDING``.

    Frame offsets that are expressions are held in `frame_parts` as alternating text and
    expressions, in order of appearance.
    """

    base: str | None = None
    partition_by: tuple[Expression, ...] = ()
    order_by: tuple[SortKey, ...] = ()
    frame: tuple[str | Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Argument:
    """A function argument, perhaps named (``name => value``) or VARIADIC."""

    value: Expression
    name: str | None = None
    variadic: bool = False


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """A function, aggregate or window function call.

    `over` is a window's name (str), an inline specification, or None. `sql_syntax` says that
    the call is spelled with keywords (``EXTRACT(year FROM x)``, ``TRIM(BOTH y FROM x)``); name
    and arguments are those of the function behind it.
    """

    name: Name
    arguments: tuple[Argument, ...] = ()
    star: bool = False
    distinct: bool = False
    order_by: tuple[SortKey, ...] = ()
    within_group: bool = False
    filter: Expression | None = None
    over: str | WindowSpec | None = None
    sql_syntax: bool = False


@dataclass(frozen=True, slots=True)
class JsonAggregate(Call):
    """``JSON_ARRAYAGG(value)`` or, with two arguments, ``JSON_OBJECTAGG(key : value)``.

    `encoding` follows the value (``FORMAT JSON``), `clauses` the arguments and their order
    (``ABSENT ON NULL RETURNING jsonb``); both as text with a leading space, '' without any.
    """

    encoding: str = ""
    clauses: str = ""


@dataclass(frozen=True, slots=True)
class SqlFunction(Expression):
    """A function SQL spells without a name of its own.

    `keyword` is one of COALESCE, GREATEST, LEAST, NULLIF, GROUPING, ROW, ARRAY,
    CURRENT_DATE, CURRENT_TIMESTAMP, SESSION_USER, ...; functions written without
    parentheses have no arguments (and `precision` where one was written).
    """

    keyword: str
    arguments: tuple[Expression, ...] = ()
    precision: int | None = None


@dataclass(frozen=True, slots=True)
class Sublink(Expression):
    """A subquery in an expression: kind is EXISTS, ANY, ALL, SCALAR or ARRAY.

    ANY and ALL compare `test` (one expression, or a ROW) with `operator` (``('=',)`` for IN).
    """

    kind: str
    query: Query
    test: Expression | None = None
    operator: Name | None = None


@dataclass(frozen=True, slots=True)
class Collate(Expression):
    operand: Expression
    collation: Name


@dataclass(frozen=True, slots=True)
class Subscript(Expression):
    """``operand[lower:upper]``; `slice` tells a slice with absent bounds from an index.

    An index is in `upper`. `separate` tells ``(a[1])[2]``, an element of a value that is an
    element itself, from the two-dimensional ``a[1][2]``; the two mean different things.
    """

    operand: Expression
    lower: Expression | None
    upper: Expression | None
    slice: bool
    separate: bool = False


@dataclass(frozen=True, slots=True)
class Field(Expression):
    """``(operand).name``; name '*' is never met in canonical text."""

    operand: Expression
    name: str


@dataclass(frozen=True, slots=True)
class AtTimeZone(Expression):
    operand: Expression
    zone: Expression | None


@dataclass(frozen=True, slots=True)
class Template(Expression):
    """Any other construct: text pieces with sub-expressions between them, in order.

    ``XMLELEMENT(NAME x, $1)`` is ``('XMLELEMENT(NAME x, ', <expr>, ')')``. `construct` is the
    name to show a user (``XMLELEMENT``).
    """

    construct: str
    parts: tuple[str | Expression, ...] = field(default=())
