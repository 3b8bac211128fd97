"""The adapter: dbt-postgres, and what macros alone cannot do."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import psycopg2
import psycopg2.extensions
import yaml
from dbt.adapters.base import available
from dbt.adapters.capability import Capability, CapabilityDict, CapabilitySupport, Support
from dbt.adapters.contracts.connection import Connection
from dbt.adapters.events.logging import AdapterLogger
from dbt.adapters.postgres import PostgresAdapter
from dbt_common.exceptions import DbtRuntimeError

from dbt.adapters.pgtrickle.connections import PgTrickleConnectionManager
from dbt.adapters.pgtrickle.place import line_of
from dbt.adapters.pgtrickle.relation import PgTrickleRelation, quoted
from dbt.adapters.pgtrickle.relation_configs import (
    PgTrickleStreamTableConfig,
    PgTrickleStreamTableConfigChangeset,
)
from dbt.adapters.pgtrickle.session import DbtSession
from pgtrickle import __version__
from pgtrickle.compiler import compile_query
from pgtrickle.errors import PgTrickleError
from pgtrickle.install import install
from pgtrickle.query.parse import InvalidSyntax
from pgtrickle.query.rendition import InvalidQuery

if TYPE_CHECKING:
    import agate

# ruff: noqa: UP045 -- dbt reads these annotations on Python 3.10 too

LOGGER = AdapterLogger("PgTrickle")

# The extension keeps columns of its own in a stream table; these are nobody else's.
_ENGINE_COLUMN = "__pgt_"

# What docs show of a stream table: its label and description, by the key of the facts.
_STATISTICS = {
    "row_count": ("Rows", "Rows, as of the last time PostgreSQL counted"),
    "size": ("Size", "Size with indexes"),
    "last_refresh": ("Last refresh", "When the table was last brought up to date"),
    "refresh_mode": ("Refresh mode", "The refresh mode asked for, and the one in effect"),
    "schedule": ("Schedule", "How old the table may get"),
}


class PgTrickleAdapter(PostgresAdapter):
    Relation = PgTrickleRelation
    ConnectionManager = PgTrickleConnectionManager

    _capabilities = CapabilityDict(
        {
            Capability.SchemaMetadataByRelations: CapabilitySupport(support=Support.Full),
            Capability.TableLastModifiedMetadata: CapabilitySupport(support=Support.Full),
        }
    )

    def __init__(self, config: Any, mp_context: Any) -> None:
        super().__init__(config, mp_context)
        self._installing = threading.Lock()
        self._engine_is_ready = False
        self._prepared = threading.local()
        self._answers: dict[str, Any] = {}
        _bundle_package(unless_installed_in=config)

    @classmethod
    def quote(cls, identifier: str) -> str:
        """As in dbt, and with the quotes in a name doubled."""
        return quoted(identifier)

    # -- for macros; the package may be of another version, so these stay what they are -----------

    @available.parse_none
    def install_engine(self) -> None:
        """See to it that the engine the profile asks for is in the database; once a run."""
        with self._installing:
            if self._engine_is_ready:
                return
            engine = self.config.credentials.engine
            with self._session() as session:
                extension = session.rows("select 1 from pg_extension where extname = 'pg_trickle'")
                if engine == "native" and not extension:
                    raise DbtRuntimeError(
                        "The profile asks for `engine: native`, and the extension pg_trickle is not"
                        f" installed in {self.config.credentials.database}. An administrator can"
                        " run: CREATE EXTENSION pg_trickle; or use `engine: auto`."
                    )
                if engine == "portable" and extension:
                    raise DbtRuntimeError(
                        "The profile asks for `engine: portable`, and the extension pg_trickle is"
                        f" installed in {self.config.credentials.database}. One database has one"
                        " engine; use `engine: auto`."
                    )
                if not extension:
                    install(session)
                    self.connections.get_thread_connection().handle.commit()
            self._engine_is_ready = True

    @available.parse_none
    def once_a_run(self, question: str, ask: Callable[[], Any]) -> Any:
        """What `ask` answers, asked for the first model that has this question."""
        if question not in self._answers:
            self._answers[question] = ask()
        return self._answers[question]

    @available.parse_none
    def compiler_version(self) -> str:
        """What marks the plans that this adapter compiles."""
        return __version__

    @available.parse_none
    def prepare_capture(self, query: str) -> None:
        """Begin to capture what `query` reads, and commit that.

        Population can take long, and what began to capture in its transaction would keep writers
        of the sources waiting until its end. Where this cannot be done yet, for want of a table
        that a hook will make, the creating transaction does it.
        """
        handle = self.connections.get_thread_connection().handle
        session = DbtSession(handle)
        try:
            sources = sorted(compile_query(session, query).sources, key=lambda s: s.relid)
            for source in sources:
                session.rows(
                    "select pgtrickle._ensure_capture(%s, %s::text[])",
                    (source.relid, list(source.columns)),
                )
            handle.commit()
        except (psycopg2.Error, PgTrickleError):
            handle.rollback()
        else:
            self._prepared.sources = [source.relid for source in sources]

    @available.parse_none
    def offer_plan(
        self,
        query: str,
        file: Optional[str] = None,
        name: Optional[str] = None,
        refresh_mode: str = "AUTO",
    ) -> Optional[str]:
        """Compile `query` and hand the plan to the engine, for the next call in this transaction.

        Not where the stream table `name` (as the engine reads it) has that plan already.

        Returns what stands in the way of refreshing it differentially, or None: nothing does where
        that is not wanted (FULL). `file` is the model's, from the project's directory: the line is
        added where it can be told. What PostgreSQL refuses it refuses in its own words, with the
        line.
        """
        with self._session() as session:
            if name is not None:
                [(wanted,)] = session.rows(
                    "select pgtrickle._wants_plan(%s, %s, %s, %s)",
                    (name, query, refresh_mode, __version__),
                )
                if not wanted:
                    return None
            try:
                plan = compile_query(session, query)
            except (InvalidQuery, InvalidSyntax):
                _let_postgres_point(session, query)
                raise
            document = plan.to_json()
            session.rows("select pgtrickle.offer_plan(%s, %s)", (query, document))
        facts = json.loads(document)
        if facts["mode"] == "DIFFERENTIAL" or refresh_mode.upper() == "FULL":
            return None
        construct, reason = facts.get("construct"), facts.get("reason")
        line = construct and file and line_of(construct, Path(self.config.project_root, file))
        place = f" ({file}, line {line})" if line else ""
        if construct and reason and construct not in reason:
            return f"{construct}: {reason}{place}"
        return f"{reason or construct or 'no reason was given'}{place}"

    @available.parse_none
    def stream_table_changes(
        self, present: dict[str, Any], wanted: dict[str, Any]
    ) -> PgTrickleStreamTableConfigChangeset:
        """What has to change for a stream table to be configured as its model says."""
        return PgTrickleStreamTableConfigChangeset.between(
            PgTrickleStreamTableConfig.from_dict(present),
            PgTrickleStreamTableConfig.from_dict(wanted),
        )

    @available.parse_none
    def describe_stream_tables(self, catalog: agate.Table, facts: dict[str, Any]) -> agate.Table:
        """The catalog, with what is known of the stream tables in it: `facts`, by `schema.name`.

        They get the type STREAM TABLE, and statistics in the columns dbt reads them from; columns
        that are the engine's own are left out.
        """
        import agate

        def known_of(row: agate.Row) -> Any:
            return facts.get(f"{row['table_schema']}.{row['table_name']}")

        def described(row: agate.Row) -> list[Any]:
            values = dict(row)
            known = known_of(row)
            if known:
                values["table_type"] = "STREAM TABLE"
            for key, (label, description) in _STATISTICS.items():
                value = known.get(key) if known else None
                values[f"stats:{key}:label"] = label
                values[f"stats:{key}:value"] = None if value is None else str(value)
                values[f"stats:{key}:description"] = description
                values[f"stats:{key}:include"] = value is not None
            return list(values.values())

        added = [
            (f"stats:{key}:{part}", agate.Boolean() if part == "include" else agate.Text())
            for key in _STATISTICS
            for part in ("label", "value", "description", "include")
        ]
        return agate.Table(
            [
                described(row)
                for row in catalog.rows
                if not (row["column_name"].startswith(_ENGINE_COLUMN) and known_of(row))
            ],
            [*catalog.column_names, *(name for name, _ in added)],
            [*catalog.column_types, *(kind for _, kind in added)],
        )

    # -- called by `dbt debug` -------------------------------------------------------------------

    def debug_query(self) -> None:
        """Connect, and tell what there is to refresh stream tables with. Installs nothing."""
        super().debug_query()
        with self._session() as session:
            for fact in _engine_facts(session):
                LOGGER.info(fact)

    # -- called by dbt around each model --------------------------------------------------------

    def post_model_hook(self, config: Any, context: Any) -> None:  # noqa: ARG002
        """Stop capturing for a model that failed, or was cancelled, after `prepare_capture`."""
        sources, self._prepared.sources = getattr(self._prepared, "sources", []), []
        if not sources:
            return
        with self._idle_handle() as handle:
            session = DbtSession(handle)
            for source in sources:
                session.rows("select pgtrickle._drop_capture_if_unused(%s)", (source,))
            handle.commit()

    @contextlib.contextmanager
    def _idle_handle(self) -> Iterator[psycopg2.extensions.connection]:
        """This thread's connection in no transaction; a new one where dbt has cancelled that."""
        handle = self.connections.get_thread_connection().handle
        with contextlib.suppress(psycopg2.Error):
            if handle.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE:
                handle.rollback()
        if not handle.closed:
            yield handle
            return
        connection = self.connections.open(
            Connection(type=self.type(), name="cleanup", credentials=self.config.credentials)
        )
        try:
            yield connection.handle
        finally:
            connection.handle.close()

    @contextlib.contextmanager
    def _session(self) -> Iterator[DbtSession]:
        """This thread's connection as the engine sees it; errors as dbt knows them."""
        with self.connections.exception_handler("stream table"):
            try:
                yield DbtSession(self.connections.get_thread_connection().handle)
            except PgTrickleError as error:
                raise DbtRuntimeError(
                    f"{error}\n{error.hint}" if error.hint else str(error)
                ) from error


def _let_postgres_point(session: DbtSession, query: str) -> None:
    """Raise PostgreSQL's own error where it refuses a query, with a pointer to the place."""
    # In parentheses, so that it cannot be more than the one statement.
    session.rows(f"explain (costs off) select * from ({query}\n) query")


def _engine_facts(session: DbtSession) -> list[str]:
    """What an operator wants to know of the engine, a line each."""
    [(server, extension, portable)] = session.rows(
        "select current_setting('server_version'),"
        " (select extversion from pg_extension where extname = 'pg_trickle'),"
        " to_regclass('pgtrickle.pgt_stream_tables') is not null"
    )
    facts = [f"PostgreSQL: {server}"]
    if extension is not None:
        facts.append(f"engine: native, pg_trickle {extension}")
    elif portable:
        [(version,)] = session.rows("select pgtrickle.version()")
        facts.append(f"engine: portable {version}")
    else:
        [(may_create,)] = session.rows(
            "select has_database_privilege(current_database(), 'create')"
        )
        missing = "the first run installs the portable one"
        if not may_create:
            [(grant,)] = session.rows(
                "select format("
                "'GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user)"
            )
            missing = f"to install the portable one, an administrator has to run: {grant};"
        return [*facts, f"engine: none yet; {missing}"]
    [(total, running)] = session.rows(
        "select total_stream_tables, scheduler_running from pgtrickle.quick_health"
    )
    return [
        *facts,
        f"stream tables: {total}",
        f"schedules: {'a worker is connected' if running else 'nothing runs them'}",
    ]


def _bundle_package(unless_installed_in: Any) -> None:
    """Give the project the package `dbt_pgtrickle`, unless it has its own: dbt allows one."""
    from dbt.adapters import pgtrickle, pgtrickle_package

    others = [name for name in pgtrickle.Plugin.dependencies if name != pgtrickle_package.NAME]
    installed = _has_package(unless_installed_in)
    pgtrickle.Plugin.dependencies = others if installed else [*others, pgtrickle_package.NAME]


def _has_package(config: Any) -> bool:
    if not hasattr(config, "project_root"):  # `dbt debug` has a profile alone
        return False
    if config.project_name == "dbt_pgtrickle":
        return True
    packages = Path(config.project_root, config.packages_install_path)
    return any(
        yaml.safe_load(project.read_text()).get("name") == "dbt_pgtrickle"
        for project in packages.glob("*/dbt_project.yml")
    )
