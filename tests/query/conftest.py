"""The corpus of queries and the databases they are read in."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from pgtrickle.database import PsycopgSession

CORPUS = Path(__file__).parent / "corpus"
_HEAD = re.compile(
    r"-- (?:(?P<flaw>unreadable|other meaning): )?(?:since (?P<since>\d+): )?"
    r"(?:needs (?P<needs>xml): )?(?P<name>.*)"
)

SessionOf = Callable[[str, str], PsycopgSession]


@dataclass(frozen=True)
class CorpusQuery:
    """A query of the corpus.

    `flaw` says what is wrong with PostgreSQL's own printing of it; `since` is the major version
    that first understands it; `needs_xml`: not every server is built with libxml.
    """

    corpus: str
    name: str
    sql: str
    flaw: str | None
    since: int
    needs_xml: bool

    def skip_unless_understood(self, session: PsycopgSession) -> None:
        if self.since > session.connection.info.server_version // 10000:
            pytest.skip(f"PostgreSQL {self.since} and later")
        if self.needs_xml:
            try:
                session.connection.execute(
                    f"prepare understood as {self.sql}; deallocate understood"
                )
            except psycopg.errors.FeatureNotSupported:
                pytest.skip("this server was built without libxml")


def _read(corpus: str) -> Iterator[CorpusQuery]:
    text = (CORPUS / f"{corpus}.sql").read_text(encoding="utf-8")
    for entry in re.split(r"\n\n(?=-- )", text.strip()):
        head, _, sql = entry.partition("\n")
        found = _HEAD.fullmatch(head)
        assert found is not None, head
        yield CorpusQuery(
            corpus,
            found["name"],
            sql,
            found["flaw"],
            int(found["since"] or 0),
            found["needs"] is not None,
        )


QUERIES = [query for corpus in ("features", "tpch", "tpcds") for query in _read(corpus)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "corpus_query" in metafunc.fixturenames:
        metafunc.parametrize(
            "corpus_query", QUERIES, ids=lambda query: f"{query.corpus}-{query.name}"
        )


@pytest.fixture(scope="session")
def corpus_session(
    fresh_database: Callable[..., AbstractContextManager[str]],
) -> Iterator[SessionOf]:
    """A function from a corpus and a server version to a session where its tables exist."""
    with contextlib.ExitStack() as opened:
        known: dict[tuple[str, str], PsycopgSession] = {}

        def session(corpus: str, version: str) -> PsycopgSession:
            if (corpus, version) not in known:
                dsn = opened.enter_context(fresh_database(version))
                connection = opened.enter_context(psycopg.connect(dsn, autocommit=True))
                connection.execute((CORPUS / f"{corpus}.schema.sql").read_text(encoding="utf-8"))
                known[corpus, version] = PsycopgSession(connection)
            return known[corpus, version]

        yield session


@pytest.fixture(scope="session")
def shared_database(
    fresh_database: Callable[..., AbstractContextManager[str]],
) -> Iterator[Callable[[str], str]]:
    """A function from a server version to the DSN of an empty database that many tests share."""
    with contextlib.ExitStack() as opened:
        known: dict[str, str] = {}

        def dsn(version: str) -> str:
            if version not in known:
                known[version] = opened.enter_context(fresh_database(version))
            return known[version]

        yield dsn


@pytest.fixture
def session(shared_database: Callable[[str], str], server_version: str) -> Iterator[PsycopgSession]:
    """A session in an empty database, in a transaction that is rolled back after the test."""
    with psycopg.connect(shared_database(server_version)) as connection:
        yield PsycopgSession(connection)
        connection.rollback()
