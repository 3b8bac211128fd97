"""The adapter: dbt-postgres, and what macros alone cannot do."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import psycopg2
import psycopg2.extensions
import yaml
from dbt.adapters.base import available
from dbt.adapters.capability import Capability, CapabilityDict, CapabilitySupport, Support
from dbt.adapters.postgres import PostgresAdapter
from dbt_common.exceptions import DbtRuntimeError

from dbt.adapters.pgtrickle.connections import PgTrickleConnectionManager
from dbt.adapters.pgtrickle.relation import PgTrickleRelation
from dbt.adapters.pgtrickle.session import DbtSession
from pgtrickle.compiler import compile_query
from pgtrickle.errors import PgTrickleError
from pgtrickle.install import install

if TYPE_CHECKING:
    import agate

# ruff: noqa: UP045 -- dbt reads these annotations on Python 3.10 too


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
        _bundle_package(unless_installed_in=config)

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
    def offer_plan(self, query: str) -> Optional[str]:
        """Compile `query` and hand the plan to the engine, for the next call in this transaction.

        Returns what stands in the way of refreshing it differentially, or None.
        """
        with self._session() as session:
            plan = compile_query(session, query)
            document = plan.to_json()
            session.rows("select pgtrickle.offer_plan(%s, %s)", (query, document))
        facts = json.loads(document)
        if facts["mode"] == "DIFFERENTIAL":
            return None
        construct, reason = facts.get("construct"), facts.get("reason")
        if construct and reason and construct not in reason:
            return f"{construct}: {reason}"
        return reason or construct or "no reason was given"

    @available.parse_none
    def name_stream_tables(self, catalog: agate.Table, names: list[str]) -> agate.Table:
        """The catalog with the type STREAM TABLE for those whose `schema.name` is in `names`."""
        import agate

        place = catalog.column_names.index("table_type")
        known = set(names)

        def renamed(row: agate.Row) -> list[Any]:
            values = list(row.values())
            if f"{row['table_schema']}.{row['table_name']}" in known:
                values[place] = "STREAM TABLE"
            return values

        return agate.Table(
            [renamed(row) for row in catalog.rows], catalog.column_names, catalog.column_types
        )

    # -- called by dbt around each model --------------------------------------------------------

    def post_model_hook(self, config: Any, context: Any) -> None:  # noqa: ARG002
        """Stop capturing for a model that failed after `prepare_capture`."""
        sources, self._prepared.sources = getattr(self._prepared, "sources", []), []
        if not sources:
            return
        handle = self.connections.get_thread_connection().handle
        if handle.closed:
            return
        if handle.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE:
            handle.rollback()
        session = DbtSession(handle)
        for source in sources:
            session.rows("select pgtrickle._drop_capture_if_unused(%s)", (source,))
        handle.commit()

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
