"""Credentials and connections: dbt-postgres's, a choice of engine, and a server of one's own."""

from __future__ import annotations

import atexit
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

from dbt.adapters.contracts.connection import Connection
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


class PgTrickleConnectionManager(PostgresConnectionManager):
    TYPE = "pgtrickle"

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
