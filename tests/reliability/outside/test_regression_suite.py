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
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random

import psycopg
import pytest
from tests.reliability.outside.oracle import WrongRowsError, query_of, settings_of, watch
from tests.reliability.outside.script import Statement, lasting, statements

import pgtrickle
from pgtrickle.engine import Engine

SOURCE = os.environ.get("PGTRICKLE_POSTGRES_SOURCE", "")
REGRESS = Path(SOURCE) / "src" / "test" / "regress"
LASTING = "oracle_lasting"
"""The schema where a script's temporary tables are."""
CHOSEN = os.environ.get("PGTRICKLE_REGRESSION_SCRIPTS", "").split()
TO_CLIENT = re.compile(r"copy\b.*\bto\s+stdout\b", re.IGNORECASE | re.DOTALL)
# What the other scripts read.
FIRST = {"test_setup", "copy", "create_index", "create_misc", "create_operator", "create_type"}
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
    if CHOSEN:
        names = [name for name in names if name in FIRST or name in CHOSEN]
    return [REGRESS / "sql" / f"{name}.sql" for name in names if name not in LEFT_OUT]


def run(engine: Engine, statement: Statement) -> None:
    """One statement as the script has it; what fails there on purpose fails here too."""
    with contextlib.suppress(psycopg.Error, UnicodeError):
        cursor = engine.connection.cursor()
        if TO_CLIENT.match(statement.text):
            with cursor.copy(statement.text) as copy:  # type: ignore[arg-type]
                for _ in copy:
                    pass
        elif statement.data is None:
            cursor.execute(statement.text)  # type: ignore[arg-type]
        else:
            with cursor.copy(statement.text) as copy:  # type: ignore[arg-type]
                copy.write(statement.data)


class Watching:
    """Watches the queries of a session from another one, with its settings.

    That one is replaced now and then: a session keeps something of all that it ever created. What
    a transaction of the script has not committed is watched within it.
    """

    def __init__(self, engine: Engine, dsn: str) -> None:
        self.engine = engine
        self.dsn = dsn
        self.other: Engine | None = None
        self.watched = 0

    def close(self) -> None:
        if self.other is not None:
            self.other.close()
            self.other = None

    def begin_anew(self) -> None:
        """Give the scripts another session."""
        self.engine.close()
        self.engine = pgtrickle.connect(self.dsn)

    def watch(self, query: str, random: Random, seen: Counter[str]) -> str | None:
        """As oracle.watch; None where the session's transaction has failed."""
        status = self.engine.connection.info.transaction_status
        if status == psycopg.pq.TransactionStatus.INTRANS:
            return watch(self.engine, query, random, seen)
        if status != psycopg.pq.TransactionStatus.IDLE:
            return None
        if self.watched % 40 == 0 or self.other is None or self.other.connection.closed:
            self.close()
        self.other = self.other or pgtrickle.connect(self.dsn)
        self.watched += 1
        return watch(self.other, query, random, seen, settings_of(self.engine.connection))


def lasting_statements(script: Path) -> Iterator[Statement]:
    for statement in statements(script, {"abs_srcdir": str(REGRESS)}):
        yield Statement(lasting(statement.text, LASTING), statement.data)


def play(
    watching: Watching, script: Path, seed: int, tell: Callable[[str], None]
) -> tuple[Counter[str], list[str]]:
    """What became of the script's queries, and which were wrong."""
    engine = watching.engine
    random = Random(f"{seed} {script.name}")
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    until = time.monotonic() + 1200
    is_chosen = not CHOSEN or script.stem in CHOSEN
    before = None
    for statement in lasting_statements(script):
        query = query_of(statement.text)
        is_new = is_chosen and query != before and time.monotonic() < until
        if query and is_new:
            try:
                outcome = watching.watch(query, random, seen)
                if outcome and seen[outcome] == 1 and outcome.startswith("refused"):
                    tell(f"{script.name}, {outcome}: {' '.join(query.split())[:300]}")
            except WrongRowsError as error:
                wrong.append(f"{script.name}: {error}")
                tell(wrong[-1])  # at once: the whole takes hours
        before = query
        run(engine, statement)
        if engine.connection.closed:
            raise AssertionError(f"the connection was lost after: {statement.text}")
        if engine.connection.info.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
            tell(f"{script.name} is left at: {statement.text}")  # psycopg cannot go on
            watching.begin_anew()
            break
    return seen, wrong


def begin(engine: Engine) -> None:
    """What a script finds: nothing of the session of the one before."""
    engine.connection.rollback()
    engine.connection.execute("reset session authorization; reset role; reset all")
    engine.connection.execute(
        f"drop schema if exists {LASTING} cascade; create schema {LASTING};"
        f"grant all on schema {LASTING} to public;"
        f"set search_path = public, {LASTING}; set client_min_messages = error"
    )


def thin_out(engine: Engine) -> None:
    """Let the largest tables have a tenth of their rows: what they show, they show with those."""
    for table in ("tenk1", "tenk2"):
        engine.connection.execute(f"delete from {table} where unique1 % 10 <> 0")  # type: ignore[arg-type]
        engine.connection.execute(f"vacuum full analyze {table}")  # type: ignore[arg-type]


def test_the_regression_suite(
    fresh_database: Callable[..., AbstractContextManager[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    def tell(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)

    total: Counter[str] = Counter()
    wrong: list[str] = []
    with fresh_database() as dsn, pgtrickle.connect(dsn) as engine:
        engine.install()
        engine.connection.execute("create schema oracle; grant all on schema oracle to public")
        engine.connection.execute("grant all on schema public to public")
        watching = Watching(engine, dsn)
        for script in scripts():
            begin(watching.engine)
            if script.stem == "create_index":
                thin_out(watching.engine)
            seen, found = play(watching, script, 1, tell)
            tell(f"{script.name} {dict(seen)}")
            total += seen
            wrong += found
        watching.close()
        watching.engine.close()
    tell(str(dict(total)))
    assert not wrong, "\n\n".join(wrong)
