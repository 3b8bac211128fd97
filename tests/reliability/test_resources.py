"""What runs out: time to wait, connections, room on the disk. The error is PostgreSQL's, nothing is
half done, and with more of it all goes on."""

from __future__ import annotations

import contextlib
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.reliability.soundness import assert_heals, problems
from tests.runtime.conftest import Connect
from tests.worker.conftest import Worker, start_worker

import pgtrickle
from pgtrickle import cli
from pgtrickle.embedded.account import Account
from pgtrickle.engine import Engine, RefreshFailed
from pgtrickle.errors import PgTrickleError

__all__ = ["start_worker"]

ITEMS = """
    create table item (id integer primary key, kind integer, v numeric, filler text);
    insert into item select n, n % 100, n, repeat('x', 200) from generate_series(1, 2000) n;
    create table spare (id integer primary key);
    insert into spare values (1);
"""
COPY = "select id, kind, v, filler from item"
WIDER = "select id, kind, v, filler, v + 1 as more from item"


@pytest.fixture
def copied(engine: Engine) -> Engine:
    engine.connection.execute(ITEMS)
    engine.create_stream_table("copy", COPY, refresh_mode="DIFFERENTIAL")
    engine.connection.execute("update item set v = v + 1")
    return engine


# -- time ------------------------------------------------------------------------------------------

HELD = {
    # What another session does that is not at its end, and what then waits for it.
    "create": (
        "update spare set id = id",
        lambda engine: engine.create_stream_table("made", "select id from spare"),
    ),
    "alter": (
        "select from copy limit 1",
        lambda engine: engine.alter_stream_table("copy", query=WIDER),
    ),
    "immediate": (
        "update item set v = v",
        lambda engine: engine.alter_stream_table("copy", refresh_mode="IMMEDIATE"),
    ),
    "drop": (
        "select from copy limit 1",
        lambda engine: engine.drop_stream_table("copy"),
    ),
    "refresh": (
        "select pgtrickle.refresh_stream_table('copy')",
        lambda engine: engine.refresh("copy"),
    ),
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("setting", "code"), [("statement_timeout", "57014"), ("lock_timeout", "55P03")]
)
@pytest.mark.parametrize("action", HELD)
def test_a_timeout_leaves_nothing_half_done(
    copied: Engine, other_engine: Engine, action: str, setting: str, code: str
) -> None:
    held, act = HELD[action]
    before = copied.session.rows("select * from copy order by 1")
    with other_engine.connection.transaction(force_rollback=True):
        other_engine.session.rows(held)
        copied.connection.execute(f"set {setting} = '200ms'")  # type: ignore[arg-type]
        with pytest.raises((psycopg.Error, PgTrickleError)) as failed:
            act(copied)
        assert failed.value.sqlstate == code
        copied.connection.execute(f"reset {setting}")  # type: ignore[arg-type]
    assert copied.session.rows("select * from copy order by 1") == before
    assert problems(copied.connection) == []
    act(copied)
    assert_heals(copied)


# -- connections -----------------------------------------------------------------------------------


@pytest.fixture
def crowded(
    runtime: str, owner: psycopg.Connection[Any], connect: Connect
) -> Callable[[int], None]:
    """Sets how many connections of ordinary roles the database takes."""
    owner.execute("create table src.item (id integer primary key); insert into src.item values (1)")
    owner.execute(
        "select pgtrickle.create_stream_table("
        "'marts.t', 'select id from src.item', schedule => '1s')"
    )
    owner.execute("insert into src.item values (2)")
    superuser = connect()

    def limit(connections: int) -> None:
        name = superuser.info.dbname
        superuser.execute(f'alter database "{name}" connection limit {connections}')  # type: ignore[arg-type]

    return limit


def test_the_shell_says_that_there_are_too_many_connections(
    crowded: Callable[[int], None], runtime: str, capsys: pytest.CaptureFixture[str]
) -> None:
    crowded(1)  # the owner has it
    dsn = make_conninfo(runtime, user="pgt_test_owner")
    assert cli.run(["refresh", "marts.t", "--dsn", dsn]) == 2
    assert "too many connections" in capsys.readouterr().err
    with pytest.raises(psycopg.OperationalError, match="too many connections"):
        pgtrickle.connect(dsn)


def test_a_worker_waits_for_a_connection(
    crowded: Callable[[int], None],
    runtime: str,
    owner: psycopg.Connection[Any],
    start_worker: Callable[..., Worker],
) -> None:
    crowded(1)
    worker = start_worker("--dsn", make_conninfo(runtime, user="pgt_test_owner"), "--jobs", "1")
    worker.logged("event=connection_lost")
    worker.logged("too many connections")
    crowded(20)
    worker.logged("event=serving", seconds=60)
    worker.logged("action=", seconds=60)
    assert worker.stop() == 0
    assert owner.execute("select id from marts.t order by 1").fetchall() == [(1,), (2,)]


# -- room ------------------------------------------------------------------------------------------


class Disk:
    """A disk that is small, and can be made larger."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def mount(self, *options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "none", str(self.place)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture
def disk(servers_directory: Path) -> Iterator[Disk]:
    place = servers_directory / f"disk-{uuid.uuid4().hex[:8]}"
    place.mkdir()
    small = Disk(place)
    if not small.mount("size=48m", "mode=0755"):
        pytest.skip("only root mounts a small disk")
    try:
        yield small
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
        place.rmdir()


@pytest.fixture
def full(disk: Disk, server_dsn: str) -> Iterator[Engine]:
    """An engine on a database whose disk has no room left; changes of `item` are pending."""
    space = disk.place / "space"
    space.mkdir(mode=0o700)
    Account.for_server().own(space)
    name = disk.place.name
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f"create tablespace \"{name}\" location '{space}'")  # type: ignore[arg-type]
        try:
            connection.execute(f'create database "{name}" tablespace "{name}"')  # type: ignore[arg-type]
            with pgtrickle.connect(make_conninfo(server_dsn, dbname=name)) as engine:
                engine.install()
                engine.connection.execute(ITEMS)
                engine.create_stream_table("copy", COPY, refresh_mode="DIFFERENTIAL")
                engine.create_stream_table("live", COPY, refresh_mode="IMMEDIATE")
                engine.connection.execute("update item set v = v + 1")
                fill(engine.connection)
                yield engine
        finally:
            connection.execute(f'drop database if exists "{name}" with (force)')  # type: ignore[arg-type]
            connection.execute(f'drop tablespace "{name}"')  # type: ignore[arg-type]


def fill(connection: psycopg.Connection[Any]) -> None:
    connection.execute("create table ballast (filler text)")
    connection.execute("alter table ballast alter filler set storage plain")
    for rows in (3000, 100, 1):
        with contextlib.suppress(psycopg.errors.DiskFull):
            while True:
                connection.execute(
                    "insert into ballast select repeat('x', 7000) from generate_series(1, %s)",
                    [rows],
                )


def test_a_full_disk_leaves_nothing_half_done(full: Engine, disk: Disk) -> None:
    before = {
        name: full.session.rows(f"select * from {name} order by 1")
        for name in ("item", "copy", "live")
    }
    more = "insert into item select n, 1, n, repeat('y', 200) from generate_series(5001, 9000) n"
    for act in (
        lambda: full.refresh("copy"),
        lambda: full.session.rows("select pgtrickle.refresh_stream_table('copy')"),
        lambda: full.connection.execute(more),
        lambda: full.create_stream_table("made", COPY),
        lambda: full.alter_stream_table("copy", query=WIDER),
    ):
        with pytest.raises((psycopg.errors.DiskFull, RefreshFailed)) as failed:
            act()
        assert failed.value.sqlstate == "53100"
    for name, rows in before.items():
        assert full.session.rows(f"select * from {name} order by 1") == rows
    assert disk.mount("remount", "size=300m")
    assert_heals(full)
    full.connection.execute(more)
    full.create_stream_table("made", COPY)
    full.alter_stream_table("copy", query=WIDER)
    assert_heals(full)
