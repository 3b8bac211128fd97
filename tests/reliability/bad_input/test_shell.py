"""Wrong calls of the command: exit status 2, what is wrong in a line or two, no traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.reliability.bad_input.build import build

import pgtrickle
from pgtrickle import cli

SECRET = "sesame"

CASES = {
    "refresh nothing": "stream table public.nothing does not exist",
    "refresh": "Name a stream table",
    "refresh totals --all": "Name a stream table",
    "refresh a.b.c": '"a.b.c" has more parts than schema and table',
    "verify": "Name a stream table, or say --all.",
    "verify totals --all": "Name a stream table, or say --all.",
    "verify nothing": "stream table public.nothing does not exist",
    "drop nothing": "stream table public.nothing does not exist",
    "drop totals": "stream tables read it: public.summary",
    "drop account": "a table of that name does",
    "explain nothing": "stream table public.nothing does not exist",
    "explain selekt": "stream table public.selekt does not exist",
    "alter nothing --schedule 5m": "stream table public.nothing does not exist",
    "alter totals --schedule never": "is neither a duration nor a cron expression",
    "alter totals --refresh-mode never": 'refresh_mode "never" is not known',
    "alter totals --status asleep": 'status "asleep" is not known',
    "alter totals --color red": "No such option",
    "create t": "query",
    "create t -q": "requires an argument",
    "create t -q select": "must return at least one column",
    "create totals -q table/account": "a stream table of that name exists",
    "create t -q table/nothing": 'relation "nothing" does not exist',
    "create t -q table/account --schedule 61s1": "is neither a duration nor a cron expression",
    "uninstall": "stream tables",
    "worker --log-format xml": "xml",
    "server psql /nowhere/at/all": "/nowhere",
    "frobnicate": "No such command",
}


@pytest.fixture(scope="module")
def world(fresh_database: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    with fresh_database() as dsn:
        with pgtrickle.connect(dsn) as engine:
            engine.install()
            build(engine)
        yield dsn


@pytest.mark.parametrize("call", CASES)
def test_a_wrong_command(
    world: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], call: str
) -> None:
    monkeypatch.setenv("PGTRICKLE_DSN", world)
    status = cli.run(
        [word.replace("/", " ", 1) if word.startswith("table/") else word for word in call.split()]
    )
    out, err = capsys.readouterr()
    assert CASES[call] in " ".join(err.replace("│", " ").split()), out + err
    assert status == 2
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgres//u:{SECRET}@localhost/db",
        f"host=/nowhere user=u password='{SECRET} x",
        f"postgresql://u:{SECRET}@localhost:99999/db",
        f"postgresql://u:{SECRET}@localhost:1/db",
        f"password={SECRET} host=/nowhere nonsense=1",
        f"postgresql://u:{SECRET}@localhost/db?nonsense=1",
    ],
)
@pytest.mark.parametrize("command", ["status", "worker --once"])
def test_a_wrong_connection_string_keeps_its_secret(
    capsys: pytest.CaptureFixture[str], command: str, dsn: str
) -> None:
    status = cli.run([*command.split(), "--dsn", dsn])
    out, err = capsys.readouterr()
    assert status == 2
    assert SECRET not in out + err
    assert err


@pytest.mark.parametrize(
    "call",
    [
        ["refresh", "\udcff"],
        ["create", "t", "-q", "select '\udcff' as a"],
        ["create", "\udcff", "-q", "select 1 as a"],
        ["create", "t", "-q", "select 1 as a\0"],
        ["create", "t", "-f", "{file}"],
        ["status", "--dsn", "host=\udcff"],
    ],
    ids=str,
)
def test_bytes_that_are_no_text(
    world: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    call: list[str],
) -> None:
    """As a shell hands them over: each that is not UTF-8 as half a surrogate pair."""
    monkeypatch.setenv("PGTRICKLE_DSN", world)
    file = tmp_path / "latin.sql"
    file.write_bytes(b"select '\xff' as a")
    assert cli.run([word.replace("{file}", str(file)) for word in call]) == 2
    err = capsys.readouterr().err
    assert err
    assert "Traceback" not in err
