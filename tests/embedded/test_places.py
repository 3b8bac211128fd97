"""Under which account and in which directories a server runs, and who gets in."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from pgtrickle.embedded import Server, choose, server
from pgtrickle.embedded.account import Account

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
NOBODY = pwd.getpwnam("nobody")


def _works(used: Server) -> bool:
    with psycopg.connect(used.dsn) as connection:
        return connection.execute("select 1").fetchone() == (1,)


def test_a_path_too_long_for_a_socket(home: Path) -> None:
    long = home / ("so-long-" * 20)
    with server(long / "a") as a, server(long / "b") as b:
        assert _works(a)
        assert _works(b)
        assert a.socket_directory != b.socket_directory
        assert len(str(a.socket_directory / ".s.PGSQL.5432")) <= 103
    assert not a.status().running


def test_a_long_path_has_the_same_dsn_at_every_start(home: Path) -> None:
    seen = set()
    for _ in range(2):
        with server(home / ("so-long-" * 20)) as used:
            seen.add(used.dsn)
    assert len(seen) == 1


def test_a_seat_somebody_else_took_is_avoided(home: Path) -> None:
    with server(home / ("so-long-" * 20)) as used:
        usual = used.socket_directory
    usual.mkdir(mode=0o777)
    usual.chmod(0o777)
    try:
        with server(home / ("so-long-" * 20)) as used:
            assert used.socket_directory != usual
            assert used.socket_directory.stat().st_mode & 0o077 == 0
            assert _works(used)
    finally:
        usual.rmdir()


def test_a_path_with_spaces_and_quotes(home: Path) -> None:
    with server(home / 'Mixed "Case" o\'Name.s $HOME ,') as used:
        assert _works(used)


def test_no_network_and_a_closed_door(home: Path) -> None:
    with server(home / "s") as used:
        with psycopg.connect(used.dsn) as connection:
            assert connection.execute("show listen_addresses").fetchone() == ("",)
        assert used.socket_directory.stat().st_mode & 0o777 == 0o700
        assert (home / "s" / "data").stat().st_mode & 0o777 == 0o700
        assert used.log.stat().st_mode & 0o777 == 0o600


@as_root
def test_another_user_does_not_get_in(home: Path) -> None:
    with server(home / "s") as used:
        psql = Account.for_server().runnable(choose()).program("psql")
        refused = subprocess.run(
            [psql, used.dsn, "-c", "select 1"],
            user=NOBODY.pw_uid,
            group=NOBODY.pw_gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode != 0
        assert "Permission denied" in refused.stderr


# Started as root, so that it reaches the interpreter wherever that is.
_AS_NOBODY = """
import os, sys, psycopg, psycopg.rows
from pgtrickle.embedded import Server, server
directory, postgres, uid, gid = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
psycopg.pq.version()
os.setgroups([]); os.setgid(gid); os.setuid(uid)
with server(directory, postgres=postgres) as used:
    with psycopg.connect(used.dsn) as connection:
        print(connection.execute("select 'works'").fetchone()[0])
    print(os.stat(f"{directory}/data").st_uid)
"""


@as_root
def test_as_an_ordinary_user(home: Path) -> None:
    (home / "theirs").mkdir(mode=0o700)
    os.chown(home / "theirs", NOBODY.pw_uid, NOBODY.pw_gid)
    programs = Account.for_server().runnable(choose()).bin
    done = subprocess.run(
        [
            *(sys.executable, "-c", _AS_NOBODY),
            *(str(home / "theirs" / "s"), str(programs)),
            *(str(NOBODY.pw_uid), str(NOBODY.pw_gid)),
        ],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.split() == ["works", str(NOBODY.pw_uid)], done.stderr


@as_root
def test_root_runs_the_server_as_somebody_without_privileges(home: Path) -> None:
    with server(home / "s") as used:
        pid = used.status().pid
        assert _works(used)
        assert Path(f"/proc/{pid}").stat().st_uid != 0


@as_root
def test_a_directory_only_root_can_enter_stays_closed(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    for _ in range(2):
        with server(closed / "s") as used:
            assert _works(used)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert (closed / "s" / "data").is_symlink()


@as_root
def test_programs_only_root_can_run_are_copied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = choose()
    monkeypatch.setattr("pgtrickle.embedded.account._COMMON", home / "common")
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    package = installed.bin.parents[1]
    for part in (package, package.with_name(package.name + ".libs")):
        subprocess.run(["cp", "-a", part, closed], check=True)
    programs = closed / package.name / "pginstall" / "bin"
    with server(home / "s", postgres=programs) as used:
        assert _works(used)
