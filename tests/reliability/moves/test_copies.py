"""A physical copy, a standby that is promoted, a dump that is restored: stream tables go on
exactly where they stood, or say what to run. Frontiers that mean nothing are not trusted.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
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
from pgtrickle.embedded.installation import choose
from pgtrickle.worker import work

SETTLED = "select count(*) = 0 from pg_stat_replication where replay_lsn < pg_current_wal_lsn()"


@pytest.fixture(scope="module")
def primary(servers_directory: Path) -> Iterator[Server]:
    server = Server(servers_directory / "primary", postgres=PROGRAMS, settings=SETTINGS)
    server.start()
    with psycopg.connect(str(server.status().dsn), autocommit=True) as connection:
        connection.execute("create database moved")
    with pgtrickle.connect(database_of(server)) as engine:
        build(engine)
    yield server
    server.stop()


@pytest.fixture
def copies(servers_directory: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def copy(primary: Server, name: str, *, standby: bool = False) -> Server:
        server = base_backup(primary, servers_directory / name, standby=standby)
        started.append(server)
        server.start()
        return server

    yield copy
    for server in started:
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)


def test_a_physical_copy_goes_on_where_it_stood(
    primary: Server, copies: Callable[..., Server]
) -> None:
    copied = copies(primary, "copied")
    for server in (primary, copied):
        with pgtrickle.connect(database_of(server)) as engine:
            change(engine, 2000)
            assert set(goes_on(engine)) <= {"DIFFERENTIAL", "NO_DATA"}


def test_a_standby_refuses_and_goes_on_when_promoted(
    primary: Server, copies: Callable[..., Server]
) -> None:
    standby = copies(primary, "standby", standby=True)
    with pgtrickle.connect(database_of(primary)) as engine:
        change(engine, 3000)
        engine.refresh("kinds")
        change(engine, 3001)
        until = time.monotonic() + 60
        while engine.session.rows(SETTLED) != [(True,)]:
            assert time.monotonic() < until, "the standby does not follow"
            time.sleep(0.05)
    with pgtrickle.connect(database_of(standby)) as engine:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="on a standby"):
            engine.session.rows("select pgtrickle.refresh_stream_table('kinds')")
        assert engine.session.rows("select count(*) from kinds") == [(5,)]
        engine.session.rows("select pg_promote()")
        change(engine, 3002)
        assert set(goes_on(engine)) <= {"DIFFERENTIAL", "NO_DATA"}


@pytest.fixture
def dumped(
    primary: Server, fresh_database: Callable[..., AbstractContextManager[str]], tmp_path: Path
) -> Iterator[str]:
    """The database dumped and restored in another server."""
    programs = choose(PROGRAMS)
    dump = tmp_path / "dump"
    subprocess.run(
        [programs.program("pg_dump"), "-Fc", "-f", dump, "-d", database_of(primary)],
        check=True,
        timeout=300,
    )
    with fresh_database(template="template0") as dsn:
        subprocess.run(
            [programs.program("pg_restore"), "--exit-on-error", "-d", dsn, dump],
            check=True,
            timeout=300,
        )
        yield dsn


def test_a_restored_dump_says_what_to_run(dumped: str) -> None:
    with pgtrickle.connect(dumped) as engine:
        for name in ("kinds", "total"):
            with pytest.raises(psycopg.Error) as refused:
                engine.session.rows("select pgtrickle.refresh_stream_table(%s)", (name,))
            assert "restore_stream_tables" in str(refused.value)
        # What a worker does now and then must not take them for dropped ones.
        work.tidy(engine)
        with pytest.raises(psycopg.Error) as refused:
            engine.connection.execute("insert into item values (5000, 'k1', 1)")
        assert "restore_stream_tables" in str(refused.value)
        ((problem,),) = engine.session.rows(
            "select count(*) from pgtrickle.health_check() where detail ~ 'restore_stream_tables'"
        )
        assert problem > 0
        engine.session.rows("select pgtrickle.restore_stream_tables()")
        assert len(goes_on(engine)) == len(STREAM_TABLES)


def test_a_restored_dump_is_made_whole(dumped: str) -> None:
    with pgtrickle.connect(dumped) as engine:
        engine.session.rows("select pgtrickle.restore_stream_tables()")
        change(engine, 4000)
        assert "REINITIALIZE" not in goes_on(engine)


MAINTAINERS = """
    select count(*) from pg_proc
    where pronamespace = 'pgtrickle_changes'::regnamespace and proname like 'maintain%'
"""
COLLIDING = """
    create table bystander (id integer primary key);
    update pgtrickle.pgt_dependencies d
    set source_relid = case s.pgt_name
        when 'live' then 'bystander_pkey' when 'kinds' then 'bystander' else 'item' end::regclass
    from pgtrickle.pgt_stream_tables s
    where s.pgt_id = d.pgt_id
"""


def test_a_restored_source_may_have_had_the_oid_of_anything(dumped: str) -> None:
    with pgtrickle.connect(dumped) as engine:
        engine.connection.execute(COLLIDING)
        engine.session.rows("select pgtrickle.restore_stream_tables()")
        assert (
            engine.session.rows(
                "select tgname from pg_trigger where tgrelid = 'bystander'::regclass"
            )
            == []
        )
        assert engine.session.rows(MAINTAINERS) in ([(1,)], [(2,)])
        change(engine, 4000)
        assert "REINITIALIZE" not in goes_on(engine)
