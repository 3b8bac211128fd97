"""The engine as Python: install it, create stream tables, keep them current, check them.

An `Engine` holds one connection. Everything it does is the SQL contract plus compilation: what
it creates is differential from the first moment, where SQL alone leaves that to a worker.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.errors import DeadlockDetected, SerializationFailure

from pgtrickle import __version__, verification
from pgtrickle import install as installation
from pgtrickle.compiler import compile_query
from pgtrickle.database import PsycopgSession, check_connection_string, pinned_search_path
from pgtrickle.errors import PgTrickleError
from pgtrickle.explanation import Explanation, explain_plan
from pgtrickle.plan import Plan
from pgtrickle.query.names import quote_literal
from pgtrickle.query.rendition import make_ready
from pgtrickle.verification import Verdict

if TYPE_CHECKING:
    from typing_extensions import Self

ATTEMPTS = 10
"""How often a refresh of several tables is tried while others refresh single ones of them."""
PATIENCE = 3
"""Of these attempts, how many let others go on; from then on they wait."""
CONFLICTS = {"40001": SerializationFailure, "40P01": DeadlockDetected}


@dataclass(frozen=True, slots=True)
class Refresh:
    """What one refresh did. `action` is NO_DATA, DIFFERENTIAL, FULL, REINITIALIZE or SKIP.

    An updated row counts once in `rows_inserted` and once in `rows_deleted`; `changes` is the
    number of captured rows read. `error` is what PostgreSQL said where the refresh failed; the
    table then has its former content.
    """

    name: str
    action: str
    rows_inserted: int
    rows_deleted: int
    changes: int
    duration_ms: float
    reason: str | None
    error: str | None = None
    error_code: str | None = None

    def check(self) -> None:
        """Raise RefreshFailed where it failed."""
        if self.error is not None:
            raise RefreshFailed(self.name, self.error, self.error_code)


@dataclass(frozen=True, slots=True)
class Status:
    """A stream table at a glance.

    `rows` is the planner's estimate. `trend`: how long the last ten refreshes that did something
    took against the thirty before, 2.0 being twice as long; None while there are too few.
    `problem`: what is wrong, or why the table is recomputed.
    """

    name: str
    status: str
    refresh_mode: str | None
    schedule: str | None
    last_refresh_at: datetime | None
    staleness: timedelta | None
    last_duration_ms: float | None
    rows: int | None
    trend: float | None
    consecutive_errors: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class PastRefresh:
    """A refresh in the history. `status` is COMPLETED, FAILED or SKIPPED; `initiated_by` is None
    where a writer's statement maintained an IMMEDIATE table."""

    start_time: datetime
    action: str
    status: str
    changes: int
    rows_inserted: int
    rows_deleted: int
    duration_ms: float | None
    initiated_by: str | None
    reason: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `severity` is OK, WARN or ERROR."""

    check: str
    severity: str
    detail: str
    remedy: str | None


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

    def refresh(self, name: str, *, upstreams: bool = False) -> Refresh:
        """Bring one stream table up to date. Raises what its query raises.

        With `upstreams`, the stream tables it reads are refreshed first, all at one snapshot.
        """
        if upstreams:
            done = self.refresh_all(name)
            for refresh in done:
                refresh.check()
            return done[-1]
        self.compile_if_pending(name)
        refresh = self._try_refresh(name)
        refresh.check()
        return refresh

    def refresh_all(self, name: str | None = None) -> list[Refresh]:
        """Refresh every stream table, or one with those it reads, all at one snapshot.

        In dependency order and in one transaction, so that no reader ever sees two of them at
        different moments. Where one fails it keeps its content, those that read it are left as
        they are (SKIP), and all others are refreshed; `Refresh.error` says what happened.
        """
        for attempt in range(1, ATTEMPTS + 1):
            for (each,) in self.session.rows("select pgtrickle._in_dependency_order(%s)", (name,)):
                self.compile_if_pending(each)
            try:
                with self.connection.transaction():
                    self.session.rows("set transaction isolation level repeatable read")
                    self._await_turn()
                    if attempt > PATIENCE:
                        # Busy writers of an IMMEDIATE table's sources would always be faster.
                        self.session.rows("lock table pgtrickle.pgt_frontiers in exclusive mode")
                    done = self._refresh_in_order(name)
                break
            except (SerializationFailure, DeadlockDetected):
                if attempt == ATTEMPTS:
                    raise
                time.sleep(random.uniform(0, 0.02 * 2**attempt))  # seconds
        self.purge()
        return done

    def purge(self, least_bytes: int = 262144) -> None:
        """Empty the change buffers that everybody has consumed and that have so many bytes."""
        for (source,) in self.session.rows("select pgtrickle._purgeable(%s)", (least_bytes,)):
            self.session.rows("select pgtrickle._purge(%s, %s)", (source, least_bytes))

    def _await_turn(self) -> None:
        """Wait until no other refresh of several tables is under way.

        A snapshot taken while another one runs is bound to fail at the first table that one has
        written. `lock table` is the one way to wait that takes no snapshot itself.
        """
        self.session.rows("lock table pgtrickle.pgt_graph_turn in share update exclusive mode")

    def _refresh_in_order(self, name: str | None) -> list[Refresh]:
        """Refresh within the transaction; what stands downstream of a failure is skipped."""
        done: list[Refresh] = []
        held_back: dict[int, str] = {}
        for number, each, upstream in self.session.rows(
            "select o.pgt_id, o.name, o.upstream from pgtrickle._in_dependency_order(%s) d (name)"
            " join pgtrickle._in_order() o using (name) order by o.depth, o.name",
            (name,),
        ):
            cause = next((held_back[one] for one in upstream if one in held_back), None)
            if cause is None:
                done.append(self._try_refresh(each))
                code = done[-1].error_code
                if code in CONFLICTS:  # somebody was faster: only a new snapshot helps
                    raise CONFLICTS[code](str(done[-1].error))
                if done[-1].error is not None:
                    held_back[number] = each
            else:
                held_back[number] = cause
                done.append(Refresh(each, "SKIP", 0, 0, 0, 0.0, f"{cause} could not be refreshed"))
        return done

    def _try_refresh(self, name: str) -> Refresh:
        # No parameters: only a simple query is seen to be the first statement of its transaction,
        # and only then does the runtime truncate buffers instead of deleting from them.
        # And no call but that one: where nothing changed, its commit need not wait for the disk.
        ((action, inserted, deleted, changes, ms, *said),) = self.session.rows(
            "select action, rows_inserted, rows_deleted, delta_row_count, duration_ms, reason,"
            f" error_message, error_code from pgtrickle.try_refresh({quote_literal(name)})"
        )
        return Refresh(name, action, inserted or 0, deleted or 0, changes or 0, ms or 0, *said)

    def compile_pending(self) -> list[str]:
        """Compile what was created by SQL alone, or is to be compiled again after a change.

        Returns the names of the tables compiled. One whose query PostgreSQL refuses now is left
        pending: its refresh says what is wrong.
        """
        pending = self.session.rows(
            "select format('%I.%I', pgt_schema, pgt_name) from pgtrickle._pending()"
        )
        return [name for (name,) in pending if self.compile_if_pending(name)]

    def compile_if_pending(self, name: str, *, lock_timeout: str | None = None) -> bool:
        """Compile as the table's owner, under the settings of its creation; whether it was done.

        With `lock_timeout`, such as ``1s``, not where the sources' writers would be waited for any
        longer.
        """
        rows = self.session.rows(
            "select format('%%I.%%I', s.pgt_schema, s.pgt_name),"
            " s.defining_query, pg_get_userbyid(s.pgt_owner),"
            " jsonb_build_object("
            "'search_path', pgtrickle._pinned_search_path(s.defining_search_path))"
            " || s.defining_settings"
            " from pgtrickle._pending() p join pgtrickle.pgt_stream_tables s using (pgt_id)"
            " where p.pgt_id = (pgtrickle._find(%s)).pgt_id",
            (name,),
        )
        if not rows:
            return False
        table, query, owner, settings = rows[0]
        try:
            with self.connection.transaction():
                make_ready(self.session)
                ((path,),) = self.session.rows("select pg_catalog.current_setting('search_path')")
                # As the owner first: what he may not set is not set for him. And what is called
                # once his search_path is set must not be looked up in it.
                if lock_timeout is not None:
                    settings["lock_timeout"] = lock_timeout
                for setting in [("role", owner), *_harmless(settings)]:
                    self.session.rows("select pg_catalog.set_config(%s, %s, true)", setting)
                plan = compile_query(self.session, query)
                with pinned_search_path(self.session):
                    self.session.rows(
                        "select pgtrickle.install_plan(%s, %s)", (table, plan.to_json())
                    )
                # Pinning and unpinning it was for the session: it would keep the owner's.
                self.session.rows("select pg_catalog.set_config('search_path', %s, false)", (path,))
        except PgTrickleError:
            return False
        except psycopg.Error as error:
            # Syntax or access rule, feature not supported, object not in prerequisite state: its
            # refresh says so too, and other tables go on.
            if (error.sqlstate or "")[:2] not in ("42", "0A", "55"):
                raise
            return False
        return True

    def verify(self, name: str, *, examples: int = 5) -> Verdict:
        """Compare a stream table with its query at one snapshot."""
        return verification.verify(self.session, name, examples)

    def status(self) -> Sequence[Status]:
        """All stream tables this role may see, by name."""
        rows = self.session.rows(
            "select name, status, refresh_mode, schedule, last_refresh_at, staleness,"
            " last_duration_ms, row_estimate, trend, consecutive_errors, problem"
            " from pgtrickle._board()"
        )
        return [Status(*row) for row in rows]

    def history(self, name: str, limit: int = 20) -> Sequence[PastRefresh]:
        """The last refreshes of a stream table, newest first."""
        rows = self.session.rows(
            "select h.start_time, h.action, h.status, h.delta_row_count, h.rows_inserted,"
            " h.rows_deleted, (1000 * extract(epoch from h.end_time - h.start_time))::float8,"
            " h.initiated_by, h.reason, h.error_message"
            " from pgtrickle._find(%s) s join pgtrickle.pgt_refresh_history h using (pgt_id)"
            " order by h.refresh_id desc limit %s",
            (name, limit),
        )
        return [PastRefresh(*row) for row in rows]

    def doctor(self) -> Sequence[Finding]:
        """All that was looked at, what is wrong first."""
        rows = self.session.rows(
            "select check_name, severity, detail, remedy from pgtrickle._doctor()"
            " order by array_position(array['ERROR', 'WARN', 'OK'], severity), check_name, detail"
        )
        return [Finding(*row) for row in rows]

    def explain(self, name_or_query: str) -> Explanation:
        """How a stream table, or a query that would become one, is maintained."""
        if name_or_query.lstrip("( \n").lower().startswith(("select", "with", "values")):
            plan = self.compile(name_or_query)
            return explain_plan(self.session, plan, name=None, mode=plan.mode, reason=plan.reason)
        ((name, mode, reason, query, stored),) = self.session.rows(
            "select format('%%I.%%I', s.pgt_schema, s.pgt_name),"
            " coalesce(s.effective_refresh_mode, s.refresh_mode), s.refresh_reason,"
            " s.defining_query, case when p.plan_status = 'COMPILED' then p.plan end"
            " from pgtrickle._find(%s) s left join pgtrickle.pgt_plans p using (pgt_id)",
            (name_or_query,),
        )
        plan = Plan.of_dict(stored) if stored is not None else Plan(query, "FULL", __version__)
        return explain_plan(self.session, plan, name=name, mode=mode, reason=reason)

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
        """Capture for a plan's sources, committed; taken back where the block fails.

        Where a right is missing the block decides whether it can do without.
        """
        with suppress(psycopg.errors.InsufficientPrivilege), self.connection.transaction():
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


def _harmless(settings: dict[str, str]) -> list[tuple[str, str]]:
    """Settings of a stream table's creation, which its owner may have written over since."""
    roles = ("role", "session_authorization")
    return [(name, value) for name, value in settings.items() if name.lower() not in roles]


class RefreshFailed(PgTrickleError):  # noqa: N818
    """A refresh raised an error; the table keeps its old content."""

    def __init__(self, name: str, message: str, code: str | None) -> None:
        super().__init__(f"refresh of {name} failed: {message}", sqlstate=code)


def connect(dsn: str = "") -> Engine:
    """An `Engine` on a connection of its own. Raises ConnectionStringError, psycopg.Error."""
    check_connection_string(dsn)
    # Statements prepared on the server would hide from the runtime that a refresh stands alone in
    # its transaction (see Engine._try_refresh), and a transaction pooler would lose them.
    return Engine(psycopg.connect(dsn, autocommit=True, prepare_threshold=None))
