"""A query that somebody else wrote, as a stream table: changed at random, never a wrong row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import psycopg

from pgtrickle.engine import Engine
from pgtrickle.errors import PgTrickleError

NAME = "oracle.q"
QUERY = re.compile(r"\(*\s*(select|with|values|table)\b", re.IGNORECASE)
EXPLAINED = re.compile(
    r"explain\b\s*(\([^()]*\)|analyze\b|verbose\b)*\s*(?=\(*\s*(select|with|values|table)\b)",
    re.IGNORECASE,
)
# What a stream table never reads, names that are no columns', and rights.
REFUSALS = ("0A000", "42939", "42501")
TOO_LONG = "57014"
UNSTEADY = re.compile(r"\b(limit|fetch|tablesample|ctid|xmin|current_setting)\b", re.IGNORECASE)
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
    """The stream table does not equal its query, or fails where that does not."""


def query_of(statement: str) -> str | None:
    """The query that a statement is or explains."""
    explained = EXPLAINED.match(statement)
    text = statement[explained.end() :] if explained else statement
    return text if QUERY.match(text) else None


def settings_of(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """What a session has set, its roles last; not how short it prints floats, for under that
    everything is recomputed."""
    return connection.execute(
        "select name, setting from pg_settings"
        " where source = 'session' and name <> 'extra_float_digits'"
        " union all select 'session_authorization', session_user"
        " where session_user <> (select rolname from pg_roles where oid = 10)"
        " union all select 'role', current_user where session_user <> current_user"
    ).fetchall()


def watch(
    engine: Engine,
    query: str,
    random: Random,
    seen: Counter[str],
    settings: Sequence[tuple[str, str]] = (),
) -> str:
    """Try the query out under these settings; everything is undone. Counts and tells what became
    of it."""
    try:
        with engine.connection.transaction(force_rollback=True):
            for setting in settings:
                engine.connection.execute("select set_config(%s, %s, true)", setting)
            engine.connection.execute("set local statement_timeout = '10s'")
            named = _named(engine, query)
            outcome = "not a view" if named is None else _play(engine, named, random)
    except (PgTrickleError, psycopg.Error) as error:
        if getattr(error, "sqlstate", None) != TOO_LONG:
            raise WrongRowsError(f"{type(error).__name__}: {error}\n{query}") from error
        outcome = "takes too long"
    except WrongRowsError:
        raise
    except UnicodeEncodeError:
        outcome = "not in the client's encoding"
    except Exception as error:
        raise WrongRowsError(f"{type(error).__name__}: {error}\n{query}") from error
    seen[outcome] += 1
    return outcome


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
        try:
            with engine.connection.transaction(force_rollback=True):
                cursor = engine.connection.execute(f"select * from ({query}) q limit 0")  # type: ignore[arg-type]
                number = len(cursor.description or ())
        except psycopg.Error:
            return query
        if number == 0:
            return None
        query = f"select * from ({query}) q ({', '.join(f'c{n}' for n in range(number))})"
    return query


def _play(engine: Engine, query: str, random: Random) -> str:
    try:
        with engine.connection.transaction():
            engine.create_stream_table(NAME, query)
    except (PgTrickleError, psycopg.Error) as error:
        state = _state(error)
        if state in REFUSALS or _fails(engine, query):
            return f"refused {state}: {str(error).splitlines()[0][:50]}"
        raise WrongRowsError(f"not created, {state}: {error}\n{query}") from error
    has_two_answers = _hangs_on_indexes(engine)
    unsteady = not _compare(engine, query, "created", has_two_answers)
    sources = _sources(engine)
    for _ in range(2 if sources else 1):
        for (table,) in sources:
            _change(engine, table, random)
        moment = _refresh(engine, query)
        if moment is None:
            return "fails as the query does"
        has_two_answers = has_two_answers or _hangs_on_indexes(engine)
        unsteady |= not _compare(engine, query, moment, has_two_answers)
    (mode,) = engine.session.rows(
        "select concat_ws(': ', effective_refresh_mode, left(refresh_reason, 50))"
        " from pgtrickle.pgt_stream_tables where pgt_name = 'q'"
    )[0]
    return f"{'unsteady' if unsteady else 'exact'} {mode}"


def _refresh(engine: Engine, query: str) -> str | None:
    """Refresh; says how it was done, None where the query fails on what the sources hold now."""
    try:
        with engine.connection.transaction():
            refresh = engine.refresh(NAME)
    except (PgTrickleError, psycopg.Error) as error:
        state = _state(error)
        if _fails(engine, query):
            return None
        raise WrongRowsError(f"refresh failed, {state}: {error}\n{query}") from error
    return f"{refresh.action}, {refresh.reason}"


def _state(error: PgTrickleError | psycopg.Error) -> str:
    """Its SQLSTATE; a statement that takes too long says nothing, and is raised."""
    if error.sqlstate == TOO_LONG:
        raise error
    return error.sqlstate or ""


def _fails(engine: Engine, query: str) -> bool:
    try:
        with engine.connection.transaction(force_rollback=True):
            engine.connection.execute(f"create temporary table oracle_probe as {query}")  # type: ignore[arg-type]
            engine.connection.execute("select t::text from oracle_probe t")  # what cannot print
    except psycopg.Error:
        return True
    return False


def _compare(engine: Engine, query: str, moment: str, has_two_answers: bool) -> bool:
    """Whether the table equals its query; False where the query may give several answers, or has
    given two."""
    try:
        with engine.connection.transaction():
            verdict = engine.verify(NAME)
    except (PgTrickleError, psycopg.Error) as error:
        if _state(error) and _fails(engine, query):
            return True
        raise
    if verdict.equal:
        return True
    if has_two_answers or _is_unsteady(engine, query):
        return False
    raise WrongRowsError(f"{moment}: {verdict}\n{query}")


def _hangs_on_indexes(engine: Engine) -> bool:
    """Whether the table equals its query either with indexes or without them, for the query gives
    two answers: PostgreSQL's index on points loses its way among those that are not numbers."""
    try:
        with engine.connection.transaction():
            with_indexes = engine.verify(NAME)
        with engine.connection.transaction(force_rollback=True):
            for kind in ("indexscan", "indexonlyscan", "bitmapscan"):
                engine.connection.execute(f"set local enable_{kind} = off")  # type: ignore[arg-type]
            without = engine.verify(NAME)
    except (PgTrickleError, psycopg.Error):
        return False  # _compare tells what that means
    return with_indexes.equal is not without.equal


def _is_unsteady(engine: Engine, query: str) -> bool:
    """Whether the query may give another answer each time: it calls something volatile, has a
    LIMIT, reads where rows are, or what its session does."""
    (finding,) = engine.session.rows(
        "select count(*) from pgtrickle.validate_query(%s) where check_name = 'volatility'",
        (query,),
    )
    return bool(finding[0]) or bool(UNSTEADY.search(query))


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
