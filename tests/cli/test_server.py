"""`pgtrickle server`, as it is called from a shell."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgtrickle import __version__
from pgtrickle.embedded import Server


def pgtrickle(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pgtrickle", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def running(servers_directory: Path) -> Iterator[Path]:
    """The directory of a running server."""
    directory = Path(tempfile.mkdtemp(prefix="test-", dir=servers_directory))
    directory.chmod(0o711)
    Server(directory, settings={"fsync": "off"}).start()
    yield directory
    Server(directory).stop()
    shutil.rmtree(directory)


def test_the_version() -> None:
    assert pgtrickle("--version").stdout == f"pgtrickle {__version__}\n"


def test_start_stop_and_what_status_says_of_it(servers_directory: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix="test-", dir=servers_directory))
    home.chmod(0o711)
    try:
        assert pgtrickle("server", "status", home).returncode == 1
        started = json.loads(pgtrickle("server", "start", home, "--json").stdout)
        assert started["running"]
        with psycopg.connect(started["dsn"]) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        assert json.loads(pgtrickle("server", "status", home, "--json").stdout) == started
        assert pgtrickle("server", "stop", home).returncode == 0
        assert pgtrickle("server", "status", home).returncode == 1
        assert "No server was running" in pgtrickle("server", "stop", home).stdout
    finally:
        Server(home).stop()
        shutil.rmtree(home)


def test_status_is_plain_text_where_there_is_no_terminal(running: Path) -> None:
    said = pgtrickle("server", "status", running)
    head, row = said.stdout.splitlines()
    assert head.split() == ["directory", "running", "pid", "version", "started", "dsn"]
    assert row.startswith(f"{running}  yes")
    assert row.index("yes") == head.index("running")
    assert said.stdout.isascii()
    assert "\t" not in said.stdout
    assert "\x1b" not in said.stdout


def test_status_is_a_drawn_table_on_a_terminal(running: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "pgtrickle", "server", "status", str(running)],
        stdout=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"},
    ) as process:
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 4096):
                said += chunk
        except OSError:  # the terminal is gone with its last writer
            pass
    os.close(ours)
    assert process.returncode == 0
    assert "─" in said.decode()


def test_psql_takes_its_own_arguments(running: Path) -> None:
    said = pgtrickle("server", "psql", running, "-d", "template1", "--", "-Atc", "select 40 + 2")
    assert said.stdout == "42\n"


@pytest.mark.parametrize(
    "call", [["server", "frobnicate"], ["frobnicate"], ["server", "start", "--frobnicate"], []]
)
def test_a_wrong_call_ends_with_2(call: list[str]) -> None:
    assert pgtrickle(*call).returncode == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["server", "psql", "/nonexistent"], "No server is running in /nonexistent"),
        (["server", "start", "/dev/null"], "/dev/null is not a directory"),
        (["server", "start", "{new}", "--postgres", "/etc"], "no PostgreSQL server in /etc"),
    ],
)
def test_an_error_of_the_user_is_one_message(call: list[str], message: str, tmp_path: Path) -> None:
    said = pgtrickle(*(part.format(new=tmp_path / "new") for part in call))
    assert said.returncode == 2
    assert said.stdout == ""
    assert said.stderr.startswith("Error: ")
    assert message in said.stderr
    assert "Traceback" not in said.stderr


def test_a_reader_that_has_seen_enough_is_no_error(running: Path) -> None:
    said = subprocess.run(
        f"{sys.executable} -m pgtrickle server status {running} | true",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    assert said.stderr == ""
