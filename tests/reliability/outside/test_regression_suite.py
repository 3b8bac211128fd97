"""The SELECTs of PostgreSQL's own regression suite as stream tables.

Its texts are not part of this project. Where there is a source tree of PostgreSQL (on Debian:
`apt-get source postgresql-15`), PGTRICKLE_POSTGRES_SOURCE names it, and `make soak` plays it;
PGTRICKLE_REGRESSION_SCRIPTS may name a few of its scripts.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random

import psycopg
import pytest
from tests.reliability.outside.oracle import QUERY, WrongRowsError, watch
from tests.reliability.outside.script import Statement, statements

import pgtrickle
from pgtrickle.engine import Engine

SOURCE = os.environ.get("PGTRICKLE_POSTGRES_SOURCE", "")
REGRESS = Path(SOURCE) / "src" / "test" / "regress"
# Tablespaces, other databases, sessions and roles of the whole server: not for a shared one.
LEFT_OUT = {"tablespace", "largeobject", "roleattributes", "stats", "sysviews", "database"}

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        not REGRESS.is_dir(), reason="PGTRICKLE_POSTGRES_SOURCE names no source tree of PostgreSQL"
    ),
]


def scripts() -> list[Path]:
    schedule = (REGRESS / "parallel_schedule").read_text()
    lines = re.findall(r"^test: (.*)$", schedule, re.MULTILINE)
    names = [name for line in lines for name in line.split()]
    watched = os.environ.get("PGTRICKLE_REGRESSION_SCRIPTS", "").split()
    if watched:
        names = [name for name in names if name in (*watched, "test_setup", "create_index")]
    return [REGRESS / "sql" / f"{name}.sql" for name in names if name not in LEFT_OUT]


def run(engine: Engine, statement: Statement) -> None:
    """One statement as the script has it; what fails there on purpose fails here too."""
    with contextlib.suppress(psycopg.Error, UnicodeError):
        cursor = engine.connection.cursor()
        if statement.data is None:
            cursor.execute(statement.text)  # type: ignore[arg-type]
        else:
            with cursor.copy(statement.text) as copy:  # type: ignore[arg-type]
                copy.write(statement.data)


def is_watched(engine: Engine, statement: Statement) -> bool:
    return bool(QUERY.match(statement.text)) and (
        engine.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    )


def play(engine: Engine, script: Path, seed: int) -> Counter[str]:
    random = Random(f"{seed} {script.name}")
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    until = time.monotonic() + 1200
    for statement in statements(script, {"abs_srcdir": str(REGRESS)}):
        if is_watched(engine, statement) and time.monotonic() < until:
            engine.connection.execute("set client_min_messages = error")
            try:
                watch(engine, statement.text, random, seen)
            except WrongRowsError as error:
                wrong.append(str(error))
        run(engine, statement)
        if engine.connection.closed:
            raise AssertionError(f"the connection was lost after: {statement.text}")
    if engine.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        engine.connection.rollback()
    if wrong:
        raise WrongRowsError("\n\n".join(wrong))
    return seen


def test_the_regression_suite(
    fresh_database: Callable[..., AbstractContextManager[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    total: Counter[str] = Counter()
    wrong = []
    with fresh_database() as dsn, pgtrickle.connect(dsn) as engine:
        engine.install()
        engine.connection.execute("create schema oracle")
        for script in scripts():
            try:
                seen = play(engine, script, seed=1)
            except WrongRowsError as error:
                wrong.append(f"{script.name}: {error}")
                with capsys.disabled():  # at once: the whole takes hours
                    print(wrong[-1], flush=True)
                continue
            finally:
                engine.connection.execute("reset all; reset session authorization")
            total += seen
            with capsys.disabled():
                print(script.name, dict(seen), flush=True)
    with capsys.disabled():
        print(dict(total))
    assert not wrong, "\n\n".join(wrong)
