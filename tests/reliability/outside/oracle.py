"""A query that somebody else wrote, as a stream table: changed at random, never a wrong row."""

from __future__ import annotations

import re
from collections import Counter
from random import Random
from typing import Any

import psycopg

from pgtrickle.engine import Engine
from pgtrickle.errors import PgTrickleError

NAME = "oracle.q"
QUERY = re.compile(r"\(*\s*(select|with|values|table)\b", re.IGNORECASE)
UNSTEADY = re.compile(r"\b(limit|fetch|tablesample|ctid|xmin)\b", re.IGNORECASE)
CHANGES = {
    "delete": "delete from {t}"
    " where ctid = any (array(select ctid from {t} order by random() limit 3))",
    "double": "insert into {t} select * from {t} order by random() limit 3",
    "mix": "update {t} set {c} = (select {c} from {t} order by random() limit 1)"
    " where ctid = any (array(select ctid from {t} order by random() limit 3))",
    "null": "update {t} set {c} = null"
    " where ctid = any (array(select ctid from {t} order by random() limit 2))",
}


class WrongRowsError(AssertionError):
    """The stream table does not equal its query."""


def watch(engine: Engine, query: str, random: Random, seen: Counter[str]) -> None:
    """Try the query out; everything is undone. Counts what became of it."""
    try:
        with engine.connection.transaction(force_rollback=True):
            engine.connection.execute("set local statement_timeout = '20s'")
            named = _named(engine, query)
            if named is None:
                seen["not a view"] += 1
                return
            seen[_play(engine, named, random)] += 1
    except (PgTrickleError, psycopg.Error) as error:
        state = getattr(error, "sqlstate", None) or ""
        if state[:2] in ("XX", "08", "57") and state != "57014":
            raise WrongRowsError(f"{state}: {error}\n{query}") from error
        seen[f"refused {state}: {str(error).splitlines()[0][:50]}"] += 1


def _named(engine: Engine, query: str) -> str | None:
    """The query, its columns named where they need it; None where it can be no view."""
    probe = "create temporary view pg_temp.oracle_probe as "
    for _ in range(2):
        try:
            with engine.connection.transaction(force_rollback=True):
                engine.connection.execute(f"{probe} {query}")  # type: ignore[arg-type]
                columns = engine.session.rows(
                    "select attname from pg_attribute"
                    " where attrelid = 'pg_temp.oracle_probe'::regclass and attnum > 0"
                )
                if columns and ("?column?",) not in columns:
                    return query
        except psycopg.errors.DuplicateColumn:
            pass
        except psycopg.Error:
            return None
        with engine.connection.transaction(force_rollback=True):
            cursor = engine.connection.execute(f"select * from ({query}) q limit 0")  # type: ignore[arg-type]
            number = len(cursor.description or ())
        if number == 0:
            return None
        query = f"select * from ({query}) q ({', '.join(f'c{n}' for n in range(number))})"
    return query


def _play(engine: Engine, query: str, random: Random) -> str:
    engine.create_stream_table(NAME, query)
    _compare(engine, query, "created")
    actions = set()
    for _ in range(2):
        for (table,) in _sources(engine):
            _change(engine, table, random)
        refresh = engine.refresh(NAME)
        actions.add(refresh.action)
        _compare(engine, query, f"{refresh.action}, {refresh.reason}")
    (mode,) = engine.session.rows(
        "select effective_refresh_mode from pgtrickle.pgt_stream_tables where pgt_name = 'q'"
    )[0]
    return f"exact {mode}"


def _compare(engine: Engine, query: str, moment: str) -> None:
    verdict = engine.verify(NAME)
    if verdict.equal or _is_unsteady(engine, query):
        return
    raise WrongRowsError(f"{moment}: {verdict}\n{query}")


def _is_unsteady(engine: Engine, query: str) -> bool:
    """Whether the query may give another answer each time: it calls something volatile, or has a
    LIMIT, or aggregates in an order that is open."""
    (finding,) = engine.session.rows(
        "select count(*) from pgtrickle.validate_query(%s) where check_name = 'volatility'",
        (query,),
    )
    return bool(finding[0]) or bool(
        re.search(r"\b(limit|fetch|tablesample|ctid|xmin)\b", query, re.IGNORECASE)
    )


def _sources(engine: Engine) -> list[tuple[Any, ...]]:
    return engine.session.rows(
        "select distinct d.source_relid::regclass::text from pgtrickle.pgt_dependencies d"
        " join pgtrickle.pgt_stream_tables s using (pgt_id)"
        " join pg_class c on c.oid = d.source_relid"
        " where s.pgt_name = 'q' and c.relkind in ('r', 'p')"
        " and c.relnamespace <> 'pg_catalog'::regnamespace order by 1 limit 5"
    )


def _change(engine: Engine, table: str, random: Random) -> None:
    columns = engine.session.rows(
        "select quote_ident(attname) from pg_attribute where attrelid = %s::regclass"
        " and attnum > 0 and not attisdropped order by 1",
        (table,),
    )
    for _ in range(3):
        change = random.choice(list(CHANGES.values()))
        column = random.choice(columns)[0] if columns else "ctid"
        try:
            with engine.connection.transaction():
                engine.connection.execute(change.format(t=table, c=column))  # type: ignore[arg-type]
        except psycopg.Error as error:
            if error.sqlstate == "57014":
                raise
