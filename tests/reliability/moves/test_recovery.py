"""Point-in-time recovery: the database is as it was at a moment, and so are its frontiers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.conftest import PROGRAMS, SETTINGS
from tests.reliability.moves.standby import base_backup
from tests.reliability.moves.world import (
    STREAM_TABLES,
    build,
    change,
    database_of,
    goes_on,
)

import pgtrickle
from pgtrickle.embedded import Server

pytestmark = pytest.mark.slow


@pytest.fixture
def archive(servers_directory: Path) -> Iterator[Path]:
    directory = servers_directory / "archive"
    directory.mkdir()
    directory.chmod(0o777)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def archived(servers_directory: Path, archive: Path) -> Iterator[Server]:
    """A server with stream tables whose log is kept."""
    settings = {
        **SETTINGS,
        "archive_mode": "on",
        "archive_command": f"cp %p {archive}/%f",
    }
    server = Server(servers_directory / "archived", postgres=PROGRAMS, settings=settings)
    server.start()
    with psycopg.connect(str(server.status().dsn), autocommit=True) as connection:
        connection.execute("create database moved")
    with pgtrickle.connect(database_of(server)) as engine:
        build(engine)
    yield server
    server.stop()
    shutil.rmtree(server.directory, ignore_errors=True)


def recovered(archived: Server, backup: Server, archive: Path, moment: str) -> None:
    """Bring the backup to the named moment, and start it."""
    data = backup.directory / "data"
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write(
            f"restore_command = 'cp {archive}/%f %p'\n"
            f"recovery_target_name = '{moment}'\n"
            "recovery_target_action = 'promote'\n"
        )
    (data / "recovery.signal").touch()
    owner = data.stat()
    shutil.chown(data / "recovery.signal", owner.st_uid, owner.st_gid)
    backup.start()
    with psycopg.connect(database_of(backup), autocommit=True) as connection:
        until = time.monotonic() + 60
        while connection.execute("select pg_is_in_recovery()").fetchone() == (True,):
            assert time.monotonic() < until, "the recovery does not end"
            time.sleep(0.05)


def test_refreshes_after_the_moment_have_not_been(
    archived: Server, archive: Path, servers_directory: Path
) -> None:
    """What was consumed later, by transactions that are no more, is consumed again; what numbers
    they had is had by others now."""
    backup = base_backup(archived, servers_directory / "recovered")
    with pgtrickle.connect(database_of(archived)) as engine:
        change(engine, 2000)
        engine.refresh("kinds")
        change(engine, 2001)
        engine.session.rows("select pg_create_restore_point('before the refreshes')")
        for number in range(2002, 2006):
            engine.refresh_all()
            change(engine, number)
        engine.session.rows("select pg_switch_wal()")
    archived.stop()
    try:
        recovered(archived, backup, archive, "before the refreshes")
        with pgtrickle.connect(database_of(backup)) as engine:
            assert engine.session.rows("select count(*) from item where id > 2001") == [(0,)]
            for number in range(2006, 2012):
                change(engine, number)
            assert set(goes_on(engine)) <= {"DIFFERENTIAL", "NO_DATA"}
    finally:
        backup.stop()
        shutil.rmtree(backup.directory, ignore_errors=True)


def test_what_is_read_from_the_log_starts_anew(
    archived: Server, archive: Path, servers_directory: Path
) -> None:
    """Slots are not recovered: what they had not given is recomputed."""
    with pgtrickle.connect(database_of(archived)) as engine:
        engine.connection.execute("alter table item replica identity full")
        engine.drop_stream_table("live")
        ((slot,),) = engine.session.rows("select pgtrickle._prepare_wal()")
        engine.session.rows(
            "select pgtrickle._register_slot(slot_name::text, lsn)"
            " from pg_create_logical_replication_slot(%s, 'pgoutput')",
            (slot,),
        )
        assert engine.session.rows("select pgtrickle._move_to_wal('item'::regclass)") == [(None,)]
        engine.refresh_all()
    backup = base_backup(archived, servers_directory / "recovered")
    with pgtrickle.connect(database_of(archived)) as engine:
        change(engine, 2000)
        engine.session.rows("select pg_create_restore_point('before')")
        engine.session.rows("select pg_switch_wal()")
    archived.stop()
    try:
        recovered(archived, backup, archive, "before")
        with pgtrickle.connect(database_of(backup)) as engine:
            assert engine.session.rows("select state from pgtrickle._wal_slot_state()") == [
                ("the replication slot is gone",)
            ]
            assert engine.refresh_all()[0].action in ("FULL", "REINITIALIZE")
            assert all(engine.verify(name).equal for name in STREAM_TABLES if name != "live")
    finally:
        backup.stop()
        shutil.rmtree(backup.directory, ignore_errors=True)
