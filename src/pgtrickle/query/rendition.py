"""A query as PostgreSQL reads and prints it, through a temporary function (rendition.sql)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pgtrickle.database import Session
from pgtrickle.errors import PgTrickleError
from pgtrickle.query.names import quote_identifier
from pgtrickle.query.rule_tree import masked


class InvalidQuery(PgTrickleError):  # noqa: N818
    """PostgreSQL refuses the query. `sqlstate`, `hint` and `detail` are its own."""

    def __init__(
        self, message: str, *, sqlstate: str, detail: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, sqlstate=sqlstate, hint=hint)
        self.detail = detail


class UnreadableRendition(PgTrickleError):  # noqa: N818
    """PostgreSQL accepts the query, but not the text it prints of it (which has its own bugs)."""

    def __init__(self, printed: str, message: str) -> None:
        super().__init__(f"PostgreSQL cannot read back what it prints of the query: {message}")
        self.printed = printed


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """A column of a query's result. `collation` is an OID, 0 where the type has none.

    `deterministic`: under the collation, equal values are the same.
    """

    name: str
    type_oid: int
    type: str
    type_modifier: int
    collation: int
    deterministic: bool


@dataclass(frozen=True, slots=True)
class Rendition:
    """What PostgreSQL makes of a query.

    `text` is the last text printed ('' where nothing was printed); `at_rest`: read and printed
    again, it stays as it is. `source_tree` and `final_tree` are the rule trees
    (pg_rewrite.ev_action) of the query as given and of the last text but one, without what is
    presentation only. `relations` are the OIDs the query names itself.
    """

    text: str
    at_rest: bool
    columns: tuple[OutputColumn, ...]
    relations: tuple[int, ...]
    source_tree: str
    final_tree: str


ROUNDS = 12
"""How often a text is printed and read again before it counts as restless."""


def rendition_of_query(session: Session, query: str, rounds: int = ROUNDS) -> Rendition:
    """Render a query read under the session's settings.

    Raises InvalidQuery, UnreadableRendition.
    """
    return _rendition(_ask(session, query, "query", rounds))


def rendition_of_canonical(
    session: Session, text: str, rounds: int = ROUNDS, *, expected: str = ""
) -> Rendition:
    """Render a query read under the pinned settings.

    `expected` is a text known to be at rest; once it is printed there is no need to go on. Raises
    InvalidQuery, UnreadableRendition.
    """
    return _rendition(_ask(session, text, "canonical", rounds, expected))


def rendition_of_view(session: Session, view: int, rounds: int = ROUNDS) -> Rendition:
    """Render the definition of the existing view with this OID.

    Raises InvalidQuery, UnreadableRendition.
    """
    return _rendition(_ask(session, str(view), "view", rounds))


def columns_of_query(session: Session, query: str) -> tuple[OutputColumn, ...]:
    """The result columns of a query read under the session's settings, and nothing besides.

    Raises InvalidQuery.
    """
    return _columns(_ask(session, query, "columns", 0))


@cache
def _definition() -> tuple[str, str]:
    """Give the function's name, which changes with its text, and the SQL that creates it."""
    text = files("pgtrickle.query").joinpath("rendition.sql").read_text(encoding="utf-8")
    return f"pgtrickle_rendition_{hashlib.sha256(text.encode()).hexdigest()[:8]}", text


_KNOWN = """
    select pg_catalog.concat(asked.name, '_', r.oid),
        exists (
            select
            from pg_catalog.pg_proc p
            where p.oid operator(pg_catalog.=) pg_catalog.to_regprocedure(pg_catalog.format(
                    'pg_temp.%%I(pg_catalog.text,pg_catalog.text,integer,pg_catalog.text,pg_catalog.text)',
                    pg_catalog.concat(asked.name, '_', r.oid)))
              and p.proowner operator(pg_catalog.=) r.oid)
    from (select %s::text as name) asked
    join pg_catalog.pg_roles r
        on r.rolname operator(pg_catalog.=) session_user
        or r.rolname operator(pg_catalog.=) current_user
    order by r.rolname operator(pg_catalog.=) session_user desc
"""


def make_ready(session: Session) -> str:
    """Create the function unless it is there; gives its name.

    Who acts for another role calls this before he takes that role on: a function that belonged to
    it could be exchanged by it, and would be called with a role that can be laid down again.
    """
    base, definition = _definition()
    candidates = session.rows(_KNOWN, (base,))
    for name, known in candidates:
        if known:
            return str(name)
    name = str(candidates[-1][0])
    session.rows(definition.replace("@name@", quote_identifier(name)))
    return name


def _ask(
    session: Session, source: str, kind: str, rounds: int, expected: str = ""
) -> dict[str, Any]:
    name = make_ready(session)
    path = "pg_catalog.current_setting('search_path')"
    call = f"select pg_temp.{quote_identifier(name)}(%s, %s, %s, %s, {path})::text"
    answer: dict[str, Any] = json.loads(session.rows(call, (source, kind, rounds, expected))[0][0])
    if "error" in answer:
        error = answer["error"]
        if error["printed"] is not None:
            raise UnreadableRendition(error["printed"], error["message"])
        raise InvalidQuery(
            error["message"],
            sqlstate=error["sqlstate"],
            detail=error["detail"] or None,
            hint=error["hint"] or None,
        )
    return answer


def _rendition(answer: dict[str, Any]) -> Rendition:
    source_tree, final_tree = (
        masked(tree, view) for tree, view in zip(answer["trees"], answer["views"], strict=True)
    )
    return Rendition(
        text=answer["texts"][-1] if answer["texts"] else "",
        at_rest=answer["at_rest"],
        columns=_columns(answer),
        relations=tuple(answer["relations"]),
        source_tree=source_tree,
        final_tree=final_tree,
    )


def _columns(answer: dict[str, Any]) -> tuple[OutputColumn, ...]:
    return tuple(OutputColumn(*column) for column in answer["columns"])
