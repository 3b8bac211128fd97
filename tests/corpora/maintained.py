"""A corpus as stream tables: created, changed under, refreshed, compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg
from tests.corpora.changes import Changes
from tests.corpora.comparison import difference

from pgtrickle.engine import Engine
from pgtrickle.errors import PgTrickleError

SCHEMA = "streams"
ACTIONS = {"DIFFERENTIAL", "NO_DATA"}


@dataclass
class Corpus:
    """Queries of one database as stream tables in the schema `streams`.

    `recomputed` names those that may be recomputed, whole.
    """

    connection: psycopg.Connection
    queries: Mapping[str, str]
    recomputed: frozenset[str] = frozenset()
    findings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = Engine(self.connection)
        self.connection.execute(f"create schema if not exists {SCHEMA}")
        self.connection.execute("analyze")

    def create(self) -> None:
        """All of them; those that cannot be are findings, and left out."""
        created = {}
        for name, query in self.queries.items():
            mode = "FULL" if name in self.recomputed else "DIFFERENTIAL"
            try:
                self.engine.create_stream_table(f"{SCHEMA}.{name}", query, refresh_mode=mode)
            except (psycopg.Error, PgTrickleError) as error:
                self.findings.append(f"{name} cannot be created: {error}")
            else:
                created[name] = query
        self.queries = created
        self._compare("creation")

    def cycle(self, changes: Changes, rows: int, number: int) -> None:
        changes.cycle(rows)
        for name in self.queries:
            try:
                done = self.engine.refresh(f"{SCHEMA}.{name}")
            except PgTrickleError as error:
                self.findings.append(f"{name}, cycle {number}: {error}")
                continue
            if name not in self.recomputed and done.action not in ACTIONS:
                self.findings.append(f"{name}, cycle {number}: {done.action}, {done.reason}")
        self._compare(f"cycle {number}")

    def _compare(self, when: str) -> None:
        for name, query in self.queries.items():
            wrong = difference(self.connection, f"{SCHEMA}.{name}", query)
            if wrong is not None:
                self.findings.append(f"{name}, {when}: {wrong}")

    def check_history(self) -> None:
        """Nothing fell back to recomputation behind our back."""
        rows = self.connection.execute(
            "select distinct s.pgt_name, h.action, h.status from pgtrickle.pgt_refresh_history h"
            " join pgtrickle.pgt_stream_tables s using (pgt_id)"
            " where (h.was_full_fallback or h.action = 'REINITIALIZE') and s.pgt_name <> all (%s)",
            [list(self.recomputed)],
        )
        self.findings += [f"{name} fell back: {action} {status}" for name, action, status in rows]
