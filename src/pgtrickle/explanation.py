"""How a stream table, or a query that would be one, is maintained: what `explain` gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pgtrickle.database import Session
from pgtrickle.plan import Plan
from pgtrickle.query.names import quote_name

SMALL = 1000
"""Rows of a table below which an index on it is not advised."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """A captured source and the columns captured from it."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StateInfo:
    """A hidden table. Size and rows (an estimate) are None where it does not exist yet."""

    name: str
    key: tuple[str, ...]
    size_bytes: int | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class MissingIndex:
    """An index on a source that refreshes would use, and the statement that creates it."""

    table: str
    columns: tuple[str, ...]
    why: str
    statement: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one query is maintained. `name` is None for a query that is no stream table.

    `mode` is the mode in effect, DIFFERENTIAL or FULL, the latter with `reason` where it was not
    asked for. `identity`: the columns by which a row is found, or 'the whole row'. `tree` has a
    line for each operator, with its strategy. `delta` maps the number of a source that changed
    alone, or ``*``, to SQL.
    """

    name: str | None
    mode: str
    reason: str | None
    query: str
    identity: str | None
    sources: tuple[SourceInfo, ...]
    tree: tuple[str, ...]
    state: tuple[StateInfo, ...]
    advice: tuple[MissingIndex, ...]
    delta: dict[str, str]


def explain_plan(
    session: Session, plan: Plan, *, name: str | None, mode: str, reason: str | None
) -> Explanation:
    """Put a plan into words, with what the database says of its sources and state."""
    return Explanation(
        name=name,
        mode=mode,
        reason=reason,
        query=plan.query,
        identity=_identity(plan),
        sources=_sources(session, plan),
        tree=plan.tree,
        state=_states(session, plan),
        advice=_missing_indexes(session, plan),
        delta=plan.deltas,
    )


def _identity(plan: Plan) -> str | None:
    if plan.mode != "DIFFERENTIAL":
        return None
    if plan.identity.kind == "row":
        return "the whole row"
    return ", ".join(quote_name((column,)) for column in plan.identity.columns) or "one row"


def _sources(session: Session, plan: Plan) -> tuple[SourceInfo, ...]:
    names = dict(
        session.rows(
            "select c.oid::bigint, format('%%I.%%I', n.nspname, c.relname)"
            " from pg_catalog.pg_class c"
            " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
            " where c.oid = any (%s::oid[])",
            ([source.relid for source in plan.sources],),
        )
    )
    return tuple(
        SourceInfo(names.get(source.relid, f"OID {source.relid}"), source.columns)
        for source in plan.sources
    )


def _states(session: Session, plan: Plan) -> tuple[StateInfo, ...]:
    found: dict[str, tuple[Any, Any]] = {
        name: (size, rows)
        for name, size, rows in session.rows(
            "select c.relname::text, pg_catalog.pg_total_relation_size(c.oid),"
            " nullif(c.reltuples, -1)::bigint from pg_catalog.pg_class c"
            " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = 'pgtrickle_state' and c.relname = any (%s)",
            ([state.name for state in plan.state],),
        )
    }
    return tuple(
        StateInfo(state.name, state.key, *found.get(state.name, (None, None)))
        for state in plan.state
    )


def _missing_indexes(session: Session, plan: Plan) -> tuple[MissingIndex, ...]:
    return tuple(
        MissingIndex(
            table := quote_name((advice.schema, advice.table)),
            advice.columns,
            advice.why,
            f"create index on {table} ({', '.join(quote_name((c,)) for c in advice.columns)});",
        )
        for advice in plan.advice
        if not _is_served(session, advice.relid, advice.columns)
    )


def _is_served(session: Session, relid: int, columns: tuple[str, ...]) -> bool:
    """Whether the table is small, or an index begins with these columns in any order."""
    rows = session.rows(
        """
        select from pg_catalog.pg_class c
        where c.oid = %s::oid
          and (c.reltuples between 0 and %s
               or exists (
                 select from pg_catalog.pg_index i
                 where i.indrelid = c.oid
                   and i.indisvalid
                   and i.indpred is null
                   and array(
                     select coalesce(a.attname::text, '')
                     from unnest(i.indkey::smallint[]) with ordinality k (number, place)
                     left join pg_catalog.pg_attribute a
                       on a.attrelid = i.indrelid and a.attnum = k.number
                     where k.place <= least(i.indnkeyatts, %s)
                   ) <@ %s::text[]))
        """,
        (relid, SMALL - 1, len(columns), list(columns)),
    )
    return bool(rows)
