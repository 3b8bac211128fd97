"""The engine as Python: install it, create stream tables, keep them current, check them.

An `Engine` holds one connection. Everything it does is the SQL contract plus compilation: what
it creates is differential from the first moment, where SQL alone leaves that to a worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from pgtrickle import install as installation
from pgtrickle.compiler import compile_query
from pgtrickle.database import PsycopgSession
from pgtrickle.errors import PgTrickleError
from pgtrickle.plan import Plan

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, slots=True)
class Refresh:
    """What one refresh did. `action` is NO_DATA, DIFFERENTIAL, FULL, REINITIALIZE or SKIP.

    An updated row counts once in `rows_inserted` and once in `rows_deleted`; `changes` is the
    number of captured rows read.
    """

    name: str
    action: str
    rows_inserted: int
    rows_deleted: int
    changes: int
    duration_ms: float
    reason: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A row, as text, that table and query do not have in equal number."""

    row: str
    in_query: int
    in_table: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a stream table equals its query; `differences` are the first rows that differ."""

    name: str
    equal: bool
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """A stream table at a glance."""

    name: str
    status: str
    refresh_mode: str | None
    schedule: str | None
    last_refresh_at: datetime | None
    staleness: timedelta | None
    consecutive_errors: int
    problem: str | None


class Engine:
    """Stream tables of one database, over one connection in autocommit mode."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.session = PsycopgSession(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()

    def install(self) -> installation.InstallResult:
        """Install the runtime, or bring it up to this version."""
        with self.connection.transaction():
            return installation.install(self.session)

    def uninstall(self, *, force: bool = False) -> None:
        """Remove the runtime. Refuses while there are stream tables, unless `force`."""
        with self.connection.transaction():
            installation.uninstall(self.session, force=force)

    def compile(self, query: str) -> Plan:
        """The plan for a query, without keeping anything."""
        with self.connection.transaction():
            return compile_query(self.session, query)

    def create_stream_table(self, name: str, query: str, **options: Any) -> None:
        """Create a stream table, differential from the start where the query allows.

        Options are the arguments of ``pgtrickle.create_stream_table``. Capture is installed in a
        transaction of its own before the table is populated, so that writers of the sources wait
        for a moment only.
        """
        plan = self.compile(query)
        with self._captured(plan), self.connection.transaction():
            self._call("create_stream_table", query, plan, {"name": name, **options})

    def alter_stream_table(self, name: str, **changes: Any) -> None:
        """Change a stream table; arguments are those of ``pgtrickle.alter_stream_table``."""
        query = changes.get("query")
        if query is None:
            with self.connection.transaction():
                self._call("alter_stream_table", None, None, {"name": name, **changes})
            return
        changes = {key: value for key, value in changes.items() if key != "query"}
        plan = self.compile(query)
        with self._captured(plan), self.connection.transaction():
            self._call("alter_stream_table", query, plan, {"name": name, **changes})

    def drop_stream_table(self, name: str, *, cascade: bool = False) -> None:
        """Drop a stream table; with `cascade` also the stream tables that read it."""
        self.session.rows("select pgtrickle.drop_stream_table(%s, %s)", (name, cascade))

    def refresh(self, name: str) -> Refresh:
        """Bring one stream table up to date. Raises what its query raises."""
        rows = self.session.rows(
            "select action, rows_inserted, rows_deleted, delta_row_count, duration_ms, reason,"
            " error_message, error_code from pgtrickle.try_refresh(%s)",
            (name,),
        )
        *done, message, code = rows[0]
        if message is not None:
            raise RefreshFailed(name, message, code)
        return Refresh(name, *done)

    def refresh_all(self) -> Iterator[Refresh]:
        """Refresh every stream table in dependency order, all at one snapshot."""
        with self.connection.transaction():
            self.session.rows("set transaction isolation level repeatable read")
            for (name,) in self.session.rows("select pgtrickle._in_dependency_order()"):
                yield self.refresh(name)

    def compile_pending(self) -> list[str]:
        """Compile what was created by SQL alone; returns the names of the tables compiled."""
        compiled = []
        for schema, table, query, search_path in self.session.rows(
            "select pgt_schema, pgt_name, query, search_path from pgtrickle._pending()"
        ):
            with self.connection.transaction():
                self.session.rows("select set_config('search_path', %s, true)", (search_path,))
                plan = compile_query(self.session, query)
                name = f'"{schema}"."{table}"'.replace("\0", "")
                self.session.rows(
                    "select pgtrickle.install_plan(format('%%I.%%I', %s::text, %s::text), %s)",
                    (schema, table, plan.to_json()),
                )
            compiled.append(name)
        return compiled

    def verify(self, name: str, *, examples: int = 5) -> Verdict:
        """Compare a stream table with its query at one snapshot."""
        rows = self.session.rows(
            "select * from pgtrickle.verify_stream_table(%s, %s)", (name, examples)
        )
        return Verdict(name, not rows, tuple(Difference(*row) for row in rows))

    def status(self) -> Sequence[Status]:
        """All stream tables this role may see, by name."""
        rows = self.session.rows(
            "select format('%I.%I', pgt_schema, pgt_name), status,"
            " coalesce(effective_refresh_mode, refresh_mode), schedule, last_refresh_at,"
            " staleness, consecutive_errors, coalesce(last_error_message, refresh_reason)"
            " from pgtrickle.stream_tables_info order by 1"
        )
        return [Status(*row) for row in rows]

    def explain(self, name_or_query: str) -> dict[str, Any]:
        """How a stream table, or a query that would become one, is maintained."""
        rows: list[tuple[Any, ...]] = []
        if not name_or_query.lstrip("( \n").lower().startswith(("select", "with", "values")):
            rows = self.session.rows(
                "select (pgtrickle._find(%s)).defining_query", (name_or_query,)
            )
        plan = self.compile(rows[0][0] if rows else name_or_query)
        return {
            "mode": plan.mode,
            "reason": plan.reason,
            "identity": ", ".join(plan.identity.columns) or "the whole row",
            "tree": "\n".join(plan.tree),
            "state": "\n".join(state.name for state in plan.state) or None,
            "query": plan.query,
            "delta": plan.deltas.get("*"),
        }

    def _call(
        self, function: str, query: str | None, plan: Plan | None, arguments: dict[str, Any]
    ) -> None:
        """Call a lifecycle function by named arguments, offering the plan first."""
        if query is not None and plan is not None:
            self.session.rows("select pgtrickle.offer_plan(%s, %s)", (query, plan.to_json()))
            arguments = {**arguments, "query": query}
        named = ", ".join(f"{key} => %s" for key in arguments)
        self.session.rows(f"select pgtrickle.{function}({named})", tuple(arguments.values()))

    @contextmanager
    def _captured(self, plan: Plan) -> Iterator[None]:
        """Capture for a plan's sources, committed; taken back where the block fails."""
        with self.connection.transaction():
            for source in sorted(plan.sources, key=lambda source: source.relid):
                self.session.rows(
                    "select pgtrickle._ensure_capture(%s, %s)",
                    (source.relid, list(source.columns)),
                )
        try:
            yield
        except BaseException:
            if not self.connection.closed:
                with self.connection.transaction():
                    for source in plan.sources:
                        self.session.rows(
                            "select pgtrickle._drop_capture_if_unused(%s)", (source.relid,)
                        )
            raise


class RefreshFailed(PgTrickleError):  # noqa: N818
    """A refresh raised an error; the table keeps its old content."""

    def __init__(self, name: str, message: str, code: str | None) -> None:
        super().__init__(f"refresh of {name} failed: {message}", sqlstate=code)


def connect(dsn: str = "") -> Engine:
    """An `Engine` on a connection of its own."""
    return Engine(psycopg.connect(dsn, autocommit=True))
