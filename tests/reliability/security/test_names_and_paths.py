"""Names, queries and search paths made to be run as SQL, or to stand in for what is called."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.reliability.soundness import assert_heals

import pgtrickle
from pgtrickle.engine import Engine
from pgtrickle.worker import work

Connection = psycopg.Connection[Any]

HOSTILE = [
    'a"; drop table canary; --',
    "a'; drop table canary; --",
    "$$; drop table canary; $$",
    "%s %I %L %1$s {0} \\",
    'x" (id) values (1); --',
    "select",
    "a\nb\tc",
    "'' || pg_sleep(1) || ''",
    "ünï·表·אב 🎉",
    " leading and trailing ",
    "changes_0",
    "new_table",
    "outcome",
]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.one_in(3)
@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("mode", ["DIFFERENTIAL", "IMMEDIATE"])
def test_a_name_is_only_a_name(engine: Engine, hostile: str, mode: str) -> None:
    name = quoted(hostile)
    sql = engine.connection.execute
    sql("create table canary (id integer)")
    sql(f"create schema {name}")  # type: ignore[arg-type]
    sql(f"create table {name}.{name} ({name} integer, v numeric)")  # type: ignore[arg-type]
    sql(f"insert into {name}.{name} values (1, 2), (3, 4)")  # type: ignore[arg-type]
    table = f'{name}."t {hostile.replace(chr(34), chr(34) * 2)}"'
    engine.create_stream_table(
        table,
        f"select {name}, sum(v) as total from {name}.{name} group by {name}",
        refresh_mode=mode,
    )
    sql(f"insert into {name}.{name} values (1, 5), (6, 7)")  # type: ignore[arg-type]
    sql(f"update {name}.{name} set {name} = {name} + 1")  # type: ignore[arg-type]
    engine.refresh(table)
    assert engine.verify(table).equal
    engine.alter_stream_table(table, schedule="5m")
    for call in (
        "explain_stream_table",
        "export_definition",
        "repair_stream_table",
        "explain_refresh_mode",
        "snapshot_stream_table",
        "pause_stream_table",
        "resume_stream_table",
        "stream_table_to_publication",
        "drop_stream_table_publication",
        "diagnose_errors",
        "list_sources",
    ):
        engine.session.rows(f"select pgtrickle.{call}(%s)", (table,))
    engine.session.rows("select pgtrickle.explain_dag(), pgtrickle.health_check()")
    assert_heals(engine)
    engine.drop_stream_table(table)
    assert sql("select to_regclass('canary') is not null").fetchone() == (True,)


STOLEN = """
    create schema hostile;
    create table hostile.stolen (what text);
"""
OPERATORS = [
    *("=", "<>", "<", ">", "<=", ">=", "||", "->", "->>", "?", "@>", "~", "~~", "*=", "&&"),
    *("*", "+", "-"),
]
TYPES = [
    *("text", "name", "oid", "integer", "bigint", "jsonb", "boolean", '"char"'),
    *("text[]", "oid[]", "bigint[]", "smallint", "timestamptz", "interval", "numeric"),
]
FUNCTIONS = ["format", "coalesce_", "quote_ident", "now", "count", "lower", "to_regclass"]


EVERY_CALL = Path(__file__).with_name("every_call.sql").read_text()
LARGEST = "select kind, max(id) as n from public.item group by kind"


def test_a_search_path_leads_nobody_astray(engine: Engine, database: str) -> None:
    """Operators and functions of another schema, which stands before all others."""
    sql = engine.connection.execute
    sql(STOLEN)
    # Between any two types: one that fits better than PostgreSQL's own would be preferred to it.
    for left, right in itertools.product(TYPES, TYPES):
        sql(
            f"create function hostile.op({left}, {right}) returns boolean language plpgsql as"  # type: ignore[arg-type]
            " $$ begin insert into hostile.stolen values (current_user); return true; end $$;"
            + "".join(
                f"create operator hostile.{operator}"
                f" (leftarg = {left}, rightarg = {right}, function = hostile.op);"
                for operator in OPERATORS
            )
        )
    for function in FUNCTIONS:
        sql(
            f"create function hostile.{function}(text) returns text language plpgsql as"  # type: ignore[arg-type]
            " $$ begin insert into hostile.stolen values (current_user); return $1; end $$"
        )
    sql("create table item (id integer primary key, kind text, tags text[])")
    sql("insert into item values (1, 'a', '{x}'), (2, 'b', null)")
    with pgtrickle.connect(database) as other:
        # After pg_catalog: before it nobody could do anything any more.
        other.connection.execute("set search_path = pg_catalog, hostile, public")
        other.create_stream_table(
            "public.kinds", "select kind, count(*) as n from public.item group by kind"
        )
        other.create_stream_table(
            "public.live", "select id, kind from public.item", refresh_mode="IMMEDIATE"
        )
        other.connection.execute("insert into public.item values (3, 'a', '{}')")
        other.refresh_all()
        other.alter_stream_table(
            "public.kinds", query="select kind, max(id) as n from public.item group by 1"
        )
        assert other.verify("public.kinds").equal
        work.tidy(other)
        for (call,) in other.session.rows(EVERY_CALL):
            other.session.rows(call)
    assert sql("select * from hostile.stolen").fetchall() == []


def test_temporary_tables_stand_in_for_nothing(engine: Engine) -> None:
    sql = engine.connection.execute
    sql("create table item (id integer primary key)")
    sql("insert into item values (1)")
    engine.create_stream_table("ids", "select id from item")
    sql("create temporary table item (id integer primary key)")
    sql("insert into pg_temp.item values (99)")
    for name in ("pgt_stream_tables", "pg_class", "pgt_frontiers", "rows", "result", "outcome"):
        sql(f"create temporary table {name} (id integer)")  # type: ignore[arg-type]
    sql("insert into public.item values (2)")
    engine.refresh("ids")
    assert sql("select id from ids order by 1").fetchall() == [(1,), (2,)]
    assert engine.verify("ids").equal


def test_a_long_error_does_not_stop_the_alert_or_the_schedule(engine: Engine) -> None:
    sql = engine.connection.execute
    sql("create table item (id integer primary key)")
    sql(
        "create function loud(integer) returns integer language plpgsql as $$"
        " begin if $1 > 1 then raise '%', repeat(E'\\U0001F389\\u0001', 6000); end if;"
        " return $1; end $$"
    )
    sql("insert into item values (1)")
    engine.create_stream_table("ids", "select loud(id) as id from item", refresh_mode="FULL")
    sql("insert into item values (2)")
    for status in ("FAILED", "FAILED", "FAILED", "SKIPPED"):  # suspended after three
        rows = engine.session.rows("select status from pgtrickle._refresh_scheduled('ids')")
        assert rows == [(status,)]
    assert engine.session.rows("select status from pgtrickle.pgt_stream_tables") == [("SUSPENDED",)]
