"""What each role may see and do; the grants are those of docs/reliability.md."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgtrickle.engine import Engine
from pgtrickle.worker import work

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]
EngineAs = Callable[..., Engine]

pytestmark = pytest.mark.every_server
DENIED = psycopg.errors.InsufficientPrivilege

SECRETS = """
    create table src.person (id integer primary key, city text, secret text);
    insert into src.person values (1, 'Rome', 'hidden 1'), (2, 'Oslo', 'hidden 2');
"""
BY_CITY = "select city, count(distinct secret) as n from src.person group by city"


@pytest.fixture
def by_city(owner: Connection, engine_as: EngineAs) -> Engine:
    owner.execute(SECRETS)
    engine = engine_as("owner")
    engine.create_stream_table("marts.by_city", BY_CITY, refresh_mode="DIFFERENTIAL")
    owner.execute("grant select on marts.by_city to pgt_test_reader")
    return engine


def hidden_tables(connection: Connection) -> list[str]:
    rows = connection.execute(
        "select c.oid::regclass::text from pg_class c where c.relkind = 'r' and c.relnamespace in"
        " ('pgtrickle_state'::regnamespace, 'pgtrickle_changes'::regnamespace)"
    ).fetchall()
    assert len(rows) >= 3
    return [name for (name,) in rows]


def test_a_reader_reads_the_table_and_how_it_does(by_city: Engine, connect: Connect) -> None:
    reader = connect("reader")
    assert reader.execute("select * from marts.by_city order by 1").fetchall() == [
        ("Oslo", 1),
        ("Rome", 1),
    ]
    assert reader.execute(
        "select pgt_name, status from pgtrickle.stream_tables_info"
    ).fetchall() == [("by_city", "ACTIVE")]
    for call in (
        "select pgtrickle.refresh_stream_table('marts.by_city')",
        "select pgtrickle.drop_stream_table('marts.by_city')",
        "select pgtrickle.alter_stream_table('marts.by_city', schedule => '1h')",
        "select pgtrickle.repair_stream_table('marts.by_city')",
        "select pgtrickle.pause_stream_table('marts.by_city')",
    ):
        with pytest.raises(DENIED):
            reader.execute(call)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["reader", "writer", "installer"])
def test_captured_rows_and_state_are_nobody_elses(
    by_city: Engine, owner: Connection, connect: Connect, role: str
) -> None:
    owner.execute("update src.person set secret = 'hidden 3'")
    other = connect(role)
    tables = hidden_tables(connect())
    for table in tables:
        if role == "installer" and table.startswith("pgtrickle_changes."):
            continue  # whose these are
        with pytest.raises(DENIED):
            other.execute(f"select * from {table}")  # type: ignore[arg-type]
    assert not [
        row
        for row in other.execute("select * from pgtrickle.pgt_plans").fetchall()
        if role != "installer"
    ]


def test_default_privileges_do_not_open_them(
    owner: Connection, connect: Connect, engine_as: EngineAs
) -> None:
    owner.execute("alter default privileges grant all on tables to pgt_test_reader, public")
    connect("installer").execute(
        "alter default privileges grant all on tables to pgt_test_reader, public"
    )
    try:
        owner.execute(SECRETS)
        owner.execute("revoke all on src.person from pgt_test_reader, public")
        engine_as("owner").create_stream_table("marts.by_city", BY_CITY)
        owner.execute("update src.person set secret = 'hidden 3'")
        for table in hidden_tables(connect()):
            with pytest.raises(DENIED):
                connect("reader").execute(f"select * from {table}")  # type: ignore[arg-type]
    finally:
        for role in ("owner", "installer"):
            connect(role).execute(
                "alter default privileges revoke all on tables from pgt_test_reader, public"
            )


def test_who_may_make_no_triggers_on_a_source_has_it_recomputed(
    by_city: Engine, owner: Connection, connect: Connect, engine_as: EngineAs
) -> None:
    connect().execute("create schema reader authorization pgt_test_reader")
    owner.execute("grant select on src.person to pgt_test_reader")
    engine = engine_as("reader")
    for mode in ("AUTO", "FULL"):
        engine.create_stream_table(
            f"reader.{mode.lower()}", "select id, city from src.person", refresh_mode=mode
        )
    with pytest.raises(DENIED, match=r"may not create triggers on src\.person"):
        engine.create_stream_table(
            "reader.no", "select id, city from src.person", refresh_mode="DIFFERENTIAL"
        )
    owner.execute("insert into src.person values (3, 'Rome', 'hidden 3')")
    assert [refresh.action for refresh in engine.refresh_all()] == ["FULL", "FULL"]
    assert engine.verify("reader.auto").equal
    (reason,) = connect("reader").execute(
        "select refresh_reason from pgtrickle.pgt_stream_tables where pgt_name = 'auto'"
    ).fetchone() or ("",)
    assert "may not create triggers on src.person" in reason


def changes(connection: Connection) -> list[Any]:
    (relid,) = connection.execute("select 'src.person'::regclass::oid").fetchone() or (0,)
    return connection.execute(
        f"select secret from pgtrickle_changes.changes_{relid}_0"  # type: ignore[arg-type]
        f" union all select secret from pgtrickle_changes.changes_{relid}_1"
    ).fetchall()


@pytest.fixture
def two_owners(by_city: Engine, connect: Connect, engine_as: EngineAs) -> Connection:
    """The reader has a stream table on the source too, by a grant."""
    superuser = connect()
    superuser.execute("create schema reader authorization pgt_test_reader")
    superuser.execute("grant select, trigger on src.person to pgt_test_reader")
    engine_as("reader").create_stream_table("reader.people", "select id, secret from src.person")
    return connect("reader")


def test_rights_on_captured_rows_end_with_those_on_the_source(
    two_owners: Connection, owner: Connection
) -> None:
    owner.execute("update src.person set secret = 'hidden 3' where id = 1")
    assert changes(two_owners) == [("hidden 1",), ("hidden 3",)]
    owner.execute("revoke select on src.person from pgt_test_reader")
    owner.execute("update src.person set secret = 'hidden 4' where id = 1")
    assert changes(two_owners) == []
    with pytest.raises(DENIED):
        two_owners.execute("select pgtrickle.refresh_stream_table('reader.people')")
    owner.execute("select pgtrickle.refresh_stream_table('marts.by_city')")


def test_row_security_closes_captured_rows_too(two_owners: Connection, owner: Connection) -> None:
    owner.execute("update src.person set secret = 'hidden 3' where id = 1")
    owner.execute("alter table src.person enable row level security")
    owner.execute("create policy one on src.person to pgt_test_reader using (id = 2)")
    assert changes(two_owners) == []
    two_owners.execute("select pgtrickle.refresh_stream_table('reader.people')")
    assert two_owners.execute("select * from reader.people").fetchall() == [(2, "hidden 2")]


def test_a_writer_needs_no_right_on_anything_else(by_city: Engine, writer: Connection) -> None:
    writer.execute("insert into src.person values (3, 'Rome', 'hidden 3')")
    writer.execute("update src.person set city = 'Oslo' where id = 3")
    writer.execute("delete from src.person where id = 2")
    writer.execute("truncate src.person")
    assert by_city.refresh("marts.by_city").action == "REINITIALIZE"
    assert by_city.verify("marts.by_city").equal


def test_an_operator_needs_the_owners_role_and_no_more(
    by_city: Engine, connect: Connect, engine_as: EngineAs
) -> None:
    """A worker's login: member of the owners, owner of nothing, no superuser."""
    superuser = connect()
    with contextlib.suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        superuser.execute("create role pgt_test_operator login in role pgt_test_owner")
    operator = engine_as("operator")
    superuser.execute("insert into src.person values (3, 'Rome', 'hidden 3')")
    assert [refresh.error for refresh in operator.refresh_all()] == [None]
    assert operator.verify("marts.by_city").equal
    work.tidy(operator)
    operator.session.rows("select pgtrickle.pause_all(), pgtrickle.resume_all()")


ATTACKS = {
    # Helpers that run with the installer's rights, called by somebody who owns nothing.
    "rights for oneself": "select pgtrickle._grant_state_create('pgt_test_owner')",
    "a capture of what one may not read": (
        "select pgtrickle._ensure_capture('src.person'::regclass, '{secret}')"
    ),
    "a buffer column without a lock": (
        "select pgtrickle._finish_capture('src.person'::regclass, '{secret}', 'pgt_test_reader')"
    ),
    "dropping a buffer": "select pgtrickle._drop_capture_objects('src.person'::regclass)",
    "another one's catalog row": (
        "insert into pgtrickle.pgt_stream_tables (pgt_relid, pgt_name, pgt_schema, defining_query,"
        " defining_search_path, pgt_owner) values ('src.person'::regclass, 'person', 'src',"
        " 'select 1', '', (select oid from pg_roles where rolname = 'pgt_test_owner'))"
    ),
    "a plan for another one's table": (
        "select pgtrickle.install_plan('marts.by_city',"
        ' \'{"format": 1, "mode": "FULL", "query": "select 1", "reason": "so"}\')'
    ),
    "settings": "update pgtrickle.settings set value = '0'",
    "a capture's row": "update pgtrickle.pgt_captures set epoch = 0",
    "the executor": "select pgtrickle_state.refresh_1()",
    "an object among the state": "create table pgtrickle_state.mine (id integer)",
    "an object among the changes": "create table pgtrickle_changes.mine (id integer)",
    "an object among the functions": "create table pgtrickle.mine (id integer)",
    "a trigger of capture": (
        "create temp table mine (id integer); create trigger t after insert on mine for each"
        " statement execute function pgtrickle_changes.capture_{source}()"
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_reader_gets_no_further(by_city: Engine, connect: Connect, attack: str) -> None:
    superuser = connect()
    (source,) = superuser.execute("select 'src.person'::regclass::oid").fetchone() or (0,)
    with pytest.raises(psycopg.Error) as refused:
        connect("reader").execute(ATTACKS[attack].replace("{source}", str(source)))  # type: ignore[arg-type]
    assert refused.value.sqlstate in ("42501", "55000")
    superuser.execute("update src.person set secret = 'hidden 3'")
    assert by_city.refresh("marts.by_city").action == "DIFFERENTIAL"
    assert by_city.verify("marts.by_city").equal


def test_what_is_not_used_is_all_a_stranger_can_drop_or_purge(
    by_city: Engine, owner: Connection, connect: Connect
) -> None:
    owner.execute("update src.person set secret = 'hidden 3'")
    reader = connect("reader")
    reader.execute(
        "select pgtrickle._purge(source_relid, 0), pgtrickle._drop_capture_if_unused(source_relid),"
        " pgtrickle._drop_maintenance_if_unused(source_relid) from pgtrickle.pgt_captures;"
        "select pgtrickle._forget_dropped(), pgtrickle._follow_renames();"
        "select pgtrickle._follow_owners()"
    )
    assert by_city.refresh("marts.by_city").action == "DIFFERENTIAL"
    assert by_city.verify("marts.by_city").equal
