"""Which functions a query calls, as PostgreSQL resolved them, and how far they can be trusted.

Read from the rule tree of a view of the query, so that operators, casts, aggregates and the
functions behind SQL's own syntax are seen under the name they really have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pgtrickle.database import Session
from pgtrickle.query.catalog import FIRST_USER_OID
from pgtrickle.query.parse import check_one_select
from pgtrickle.query.rendition import rendition_of_canonical


@dataclass(frozen=True, slots=True)
class FunctionUse:
    """A function a query calls, directly or behind an operator, a cast or an aggregate.

    `volatility` is 'i', 's' or 'v'. `kind` is function, operator, aggregate, window, cast (by
    input and output functions), sampling (TABLESAMPLE) or moment (CURRENT_DATE and the other
    SQL functions without parentheses, whose OID is 0). `is_user_defined`: not PostgreSQL's own.
    """

    oid: int
    schema: str
    name: str
    volatility: str
    is_user_defined: bool
    kind: str


def function_uses(session: Session, query: str) -> tuple[FunctionUse, ...]:
    """Give the functions of a query in canonical (or generated) text, each once per kind.

    Raises InvalidQuery, InvalidSyntax, UnsupportedSyntax.
    """
    check_one_select(query)
    return function_uses_of_tree(
        session, rendition_of_canonical(session, query, rounds=0).source_tree
    )


def function_uses_of_tree(session: Session, tree: str) -> tuple[FunctionUse, ...]:
    """Give the functions a rule tree calls, each once per kind."""
    functions = {kind: _oids(pattern, tree) for kind, pattern in _FUNCTIONS.items()}
    rows = session.rows(
        _DETAILS,
        (
            functions["function"],
            functions["aggregate"],
            functions["window"],
            functions["sampling"],
            functions["aggregate"] + functions["window"],
            _oids(_OPERATOR, tree),
            _oids(_CAST_RESULT, tree),
            _oids(_CAST_OPERAND, tree),
        ),
    )
    uses = [
        FunctionUse(oid, schema, name, volatility, oid >= FIRST_USER_OID, kind)
        for oid, schema, name, volatility, kind in rows
    ]
    return (*uses, *_moments(tree))


def worst_volatility(uses: Iterable[FunctionUse]) -> str:
    """Give 'v' before 's' before 'i'; 'i' for none."""
    found = {use.volatility for use in uses}
    return next(volatility for volatility in "vsi" if volatility in found or volatility == "i")


_FUNCTIONS = {
    "function": re.compile(r":funcid (\d+)"),
    "aggregate": re.compile(r":aggfnoid (\d+)"),
    "window": re.compile(r":winfnoid (\d+)"),
    "sampling": re.compile(r":tsmhandler (\d+)"),
}
_OPERATOR = re.compile(r":(?:opno|eqop|sortop) (\d+)")
_CAST_RESULT = re.compile(r"\{(?:COERCETODOMAIN|COERCEVIAIO) :arg .*?:resulttype (\d+)", re.DOTALL)
# Which comes first inside the operand is its own type, in all nodes but wrappers of one node.
_CAST_OPERAND = re.compile(
    r"\{COERCEVIAIO :arg \{.*?:(?:vartype|consttype|funcresulttype|opresulttype|aggtype|wintype"
    r"|casetype|coalescetype|minmaxtype|array_typeid|refrestype|row_typeid|paramtype|resulttype"
    r"|type|typeId) (\d+)",
    re.DOTALL,
)
_MOMENT = re.compile(r"\{SQLVALUEFUNCTION :op (\d+)")

# SQLValueFunctionOp of PostgreSQL's primnodes.h, in order.
_MOMENTS = (
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_TIMESTAMP",
    "LOCALTIME",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "LOCALTIMESTAMP",
    "CURRENT_ROLE",
    "CURRENT_USER",
    "USER",
    "SESSION_USER",
    "CURRENT_CATALOG",
    "CURRENT_SCHEMA",
)


def _oids(pattern: re.Pattern[str], tree: str) -> list[int]:
    return sorted({int(oid) for oid in pattern.findall(tree)} - {0})


def _moments(tree: str) -> list[FunctionUse]:
    names = sorted({_MOMENTS[int(number)] for number in _MOMENT.findall(tree)})
    return [FunctionUse(0, "pg_catalog", name, "s", False, "moment") for name in names]


# An aggregate is as volatile as the functions it is made of; a sample is never the same twice.
_DETAILS = """
    with used (oid, kind) as (
      select unnest(%s::oid[]), 'function'
      union
      select unnest(%s::oid[]), 'aggregate'
      union
      select unnest(%s::oid[]), 'window'
      union
      select unnest(%s::oid[]), 'sampling'
      union
      select part, 'aggregate'
      from pg_catalog.pg_aggregate a
      cross join unnest(array[a.aggtransfn, a.aggfinalfn]::oid[]) as part
      where a.aggfnoid = any (%s::oid[]) and a.aggfnoid >= 16384
      union
      select o.oprcode::oid, 'operator'
      from pg_catalog.pg_operator o
      where o.oid = any (%s::oid[])
      union
      select t.typinput::oid, 'cast'
      from pg_catalog.pg_type t
      where t.oid = any (%s::oid[])
      union
      select t.typoutput::oid, 'cast'
      from pg_catalog.pg_type t
      where t.oid = any (%s::oid[])
    )
    select p.oid::bigint, n.nspname, p.proname,
      case when u.kind = 'sampling' then 'v' else p.provolatile::text end, u.kind
    from used u
    join pg_catalog.pg_proc p on p.oid = u.oid
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    order by p.proname, p.oid, u.kind
"""
