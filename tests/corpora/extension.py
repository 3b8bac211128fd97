"""How the corpora fare on the extension pg_trickle, at the server PGTRICKLE_TEST_NATIVE_DSN names.

python -m tests.corpora.extension

Prints a row for each corpus, and what was wrong with each query that is not exact. Each query
becomes a stream table of the mode AUTO; after each of three cycles of changes all are refreshed and
compared with their queries. Columns of the type char(n), which the extension refuses, become text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import psycopg
from psycopg import sql
from tests.corpora.changes import Changes
from tests.corpora.comparison import difference
from tests.corpora.coverage import CORPORA
from tests.corpora.job.data import FIXED
from tests.corpora.tpcds.data import STILL
from tests.dbt.native.installed import native_database

SCHEMA = "streams"
CYCLES, ROWS, SEED = 3, 3, 1
UNCHANGED = STILL | frozenset(FIXED)
OUTCOMES = ("exact", "wrong", "refused", "refresh fails")

PADDED = """
    select c.relname, a.attname
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    where c.relnamespace = 'public'::regnamespace
      and c.relkind = 'r'
      and a.atttypid = 'bpchar'::regtype
"""
VISIBLE = """
    select attname
    from pg_attribute
    where attrelid = %s::regclass
      and attnum > 0
      and not attisdropped
      and attname not like '\\_\\_pgt\\_%%'
    order by attnum
"""


class OnExtension:
    """Queries as stream tables of the extension, and what became of each: (outcome, why)."""

    def __init__(self, connection: psycopg.Connection, queries: Mapping[str, str]) -> None:
        self.connection = connection
        self.queries = queries
        self.outcomes = dict.fromkeys(queries, ("exact", ""))

    def create(self) -> None:
        for name, query in self.queries.items():
            if self._does(
                name,
                "refused",
                "select pgtrickle.create_stream_table(%s, %s, '1h', 'AUTO')",
                [f"{SCHEMA}.{name}", query],
            ):
                self._compare(name)

    def refresh(self) -> None:
        for name in self.queries:
            if self.outcomes[name][0] != "refused" and self._does(
                name,
                "refresh fails",
                "select pgtrickle.refresh_stream_table(%s)",
                [f"{SCHEMA}.{name}"],
            ):
                self._compare(name)

    def recomputed(self) -> int:
        """How many of the exact ones were recomputed at each refresh that changed something."""
        rows = self.connection.execute(
            "select pgt_name from pgtrickle.pgt_stream_tables"
            " where effective_refresh_mode in ('FULL', 'TOP_K')"
        )
        return sum(self.outcomes[name][0] == "exact" for (name,) in rows)

    def _does(self, name: str, outcome: str, statement: str, values: list[str]) -> bool:
        try:
            self.connection.execute(statement, values)  # type: ignore[arg-type]
        except psycopg.Error as error:
            self._note(name, outcome, str(error).splitlines()[0])
            return False
        return True

    def _compare(self, name: str) -> None:
        table = f"{SCHEMA}.{name}"
        columns = sql.SQL(", ").join(
            sql.Identifier(column) for (column,) in self.connection.execute(VISIBLE, [table])
        )
        visible = f"(select {columns.as_string(self.connection)} from {table})"
        wrong = difference(self.connection, visible, self.queries[name])
        if wrong is not None:
            self._note(name, "wrong", wrong)

    def _note(self, name: str, outcome: str, why: str) -> None:
        if self.outcomes[name][0] in ("exact", "refresh fails"):
            self.outcomes[name] = (outcome, why)


def main() -> None:
    for corpus, (queries, load) in CORPORA.items():
        with (
            native_database(name="corpus") as dsn,
            psycopg.connect(dsn, autocommit=True) as connection,
        ):
            connection.execute("set client_min_messages = error")
            load(connection)
            for table, column in connection.execute(PADDED).fetchall():
                connection.execute(
                    sql.SQL("alter table {} alter {} type text").format(
                        sql.Identifier(table), sql.Identifier(column)
                    )
                )
            connection.execute(f"create schema {SCHEMA}")
            played = OnExtension(connection, queries)
            played.create()
            changes = Changes(connection, SEED, UNCHANGED)
            for _ in range(CYCLES):
                changes.cycle(ROWS)
                played.refresh()
            count = Counter(outcome for outcome, _ in played.outcomes.values())
            counted = " | ".join(str(count[outcome]) for outcome in OUTCOMES)
            print(f"| {corpus} | {len(queries)} | {counted} | {played.recomputed()} |")
            for name, (outcome, why) in played.outcomes.items():
                if outcome != "exact":
                    print(f"    {name} {outcome}: {why[:200]}")


if __name__ == "__main__":
    main()
