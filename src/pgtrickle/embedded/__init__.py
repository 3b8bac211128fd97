"""A PostgreSQL of one's own, in a directory, for development, demos and tests.

    from pgtrickle.embedded import server

    with server("warehouse") as postgres:
        psycopg.connect(postgres.dsn)

The server listens on a unix socket in a directory only its user can enter, and on no network.
"""

from __future__ import annotations

from .errors import (
    DirectoryError,
    EmbeddedError,
    NoPostgresError,
    ServerStartError,
    ServerStopError,
)
from .installation import POSTGRES_BIN_VARIABLE, Installation, choose
from .server import Server, Status, server

__all__ = [
    "POSTGRES_BIN_VARIABLE",
    "DirectoryError",
    "EmbeddedError",
    "Installation",
    "NoPostgresError",
    "Server",
    "ServerStartError",
    "ServerStopError",
    "Status",
    "choose",
    "server",
]
