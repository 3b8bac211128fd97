"""Credentials and connections: dbt-postgres's, a choice of engine, and a server of one's own."""

from __future__ import annotations

import atexit
import select
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import psycopg2
import psycopg2.extensions
from dbt.adapters.contracts.connection import Connection, ConnectionState, LazyHandle
from dbt.adapters.postgres import PostgresConnectionManager, PostgresCredentials
from dbt_common.exceptions import DbtRuntimeError
from dbt_common.helper_types import Port
from mashumaro.jsonschema.annotations import Maximum, Minimum

import pgtrickle.embedded
from pgtrickle.errors import PgTrickleError

# ruff: noqa: UP045 -- dbt reads these annotations on Python 3.10 too

# Whoever names a directory need say no more; what stands here is replaced once the server runs.
_EMBEDDED_DEFAULTS = {
    "host": "embedded",
    "port": 5432,
    "user": "postgres",
    "password": "",
    "database": "postgres",
}
_EMBEDDED_KEYS = _EMBEDDED_DEFAULTS.keys() - {"database"}


@dataclass
class PgTrickleCredentials(PostgresCredentials):
    """All keys of dbt-postgres; with `embedded`, none of host, port, user and password."""

    host: str = ""
    user: str = ""
    port: Annotated[Port, Minimum(0), Maximum(65535)] = 5432  # type: ignore[assignment]
    password: str = ""
    application_name: Optional[str] = "dbt-pgtrickle"
    engine: Literal["auto", "native", "portable"] = "auto"
    embedded: Optional[str] = None

    @classmethod
    def translate_aliases(cls, kwargs: dict[str, Any], recurse: bool = False) -> dict[str, Any]:
        data = super().translate_aliases(kwargs, recurse)
        return {**_EMBEDDED_DEFAULTS, **data} if data.get("embedded") else data

    def __post_init__(self) -> None:
        if not self.embedded:
            missing = [key for key in ("host", "user") if not getattr(self, key)]
            if missing:
                raise DbtRuntimeError(
                    f"The profile lacks {' and '.join(missing)}. Name a server, or a directory"
                    " for one of your own: `embedded: .pgtrickle`."
                )

    @property
    def type(self) -> str:
        return "pgtrickle"

    @property
    def unique_field(self) -> str:
        return self.embedded or self.host

    def _connection_keys(self) -> tuple[str, ...]:
        keys = super()._connection_keys()
        if self.embedded:
            return ("embedded", "engine", *(key for key in keys if key not in _EMBEDDED_KEYS))
        return ("engine", *keys)


class EmbeddedServers:
    """The embedded servers this process uses, each acquired once and given back at its end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[Path, pgtrickle.embedded.Server] = {}

    def acquire(self, directory: str) -> pgtrickle.embedded.Server:
        home = Path(directory).expanduser().absolute()
        with self._lock:
            if home not in self._servers:
                server = pgtrickle.embedded.Server(home)
                server.acquire()
                self._servers[home] = server
            return self._servers[home]

    def release(self) -> None:
        with self._lock:
            while self._servers:
                self._servers.popitem()[1].release()


EMBEDDED = EmbeddedServers()
atexit.register(EMBEDDED.release)


# DISCARD ALL, but for plans. Roles are not of RESET ALL, and psycopg2 reads no other dates.
_AS_NEW = """
close all;
reset session authorization;
reset role;
reset all;
set datestyle to 'ISO';
deallocate all;
unlisten *;
select pg_catalog.pg_advisory_unlock_all();
discard temp;
discard sequences;
"""
# Seconds: what lies idle longer, a firewall may have forgotten.
_KEPT_FOR = 60


class PgTrickleConnectionManager(PostgresConnectionManager):
    """Connections, of which those of models that are done serve further ones.

    dbt-postgres opens one for each model. A session that is new has to read PostgreSQL's catalogs
    and to compile the engine's functions first, which takes several times as long as to find that a
    stream table is current.
    """

    TYPE = "pgtrickle"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._idle: list[tuple[psycopg2.extensions.connection, float]] = []

    def set_connection_name(self, name: str | None = None) -> Connection:
        connection = super().set_connection_name(name)
        if connection.state != ConnectionState.OPEN:
            connection.handle = LazyHandle(self._open_or_reuse)
        return connection

    def _open_or_reuse(self, connection: Connection) -> Connection:
        with self.lock:
            while self._idle:
                handle, until = self._idle.pop()
                if time.monotonic() < until and not _has_ended(handle):
                    connection.handle = handle
                    connection.state = ConnectionState.OPEN
                    return connection
                handle.close()
        return self.open(connection)

    def release(self) -> None:
        """Keep the session for another model, and nothing of what this one left in it."""
        connection = self.get_if_exists()
        if connection is None or not _is_as_new(connection):
            super().release()
            return
        with self.lock:
            self._idle.append((connection.handle, time.monotonic() + _KEPT_FOR))
        connection.handle = None
        connection.state = ConnectionState.CLOSED
        connection.transaction_open = False

    def cleanup_all(self) -> None:
        super().cleanup_all()
        with self.lock:
            while self._idle:
                self._idle.pop()[0].close()

    @classmethod
    def open(cls, connection: Connection) -> Connection:
        credentials = connection.credentials
        if connection.state != "open" and credentials.embedded:
            try:
                server = EMBEDDED.acquire(credentials.embedded)
            except PgTrickleError as error:
                hint = f"\n{error.hint}" if error.hint else ""
                raise DbtRuntimeError(f"{error}{hint}") from error
            credentials.host = str(server.socket_directory)
            credentials.port = server.port
            credentials.user = "postgres"
        return super().open(connection)


def _is_as_new(connection: Connection) -> bool:
    """Bring an open session back to its beginning; False where there is none, or that fails."""
    handle = connection.handle if connection.state == ConnectionState.OPEN else None
    if not isinstance(handle, psycopg2.extensions.connection):
        return False
    role = connection.credentials.role
    try:
        handle.rollback()
        autocommit, handle.autocommit = handle.autocommit, True
        with handle.cursor() as cursor:
            if handle.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE:
                # Where psycopg2 commits by itself, it knows of no transaction of dbt's.
                cursor.execute("rollback")
            cursor.execute(_AS_NEW + (f"set role {role}" if role else ""))
        handle.autocommit = autocommit
    except psycopg2.Error:
        return False
    return True


def _has_ended(handle: psycopg2.extensions.connection) -> bool:
    """Whether the server ended an idle session: it says nothing else unasked."""
    return bool(handle.closed or select.select([handle], [], [], 0)[0])
