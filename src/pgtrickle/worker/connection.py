"""Connections as a worker wants them: named, and not waiting for ever for a peer that is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgtrickle.database import PINNED_PATH

APPLICATION_NAME = "pgtrickle worker"
# A peer that is gone without a word is noticed within half a minute, on both sides.
KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
HELD = 120
"""Seconds after which a transaction ends that does not hear of its worker any more."""
LED = 60
"""Seconds after which the lead is given up for a worker that is not heard of any more, at least."""
SESSION = (
    "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3;"
    " set tcp_user_timeout = '25s'; set client_connection_check_interval = '10s';"
    " set idle_session_timeout = 0;"
    # What it asks for itself is not to be looked up where others may create.
    f" set search_path = {PINNED_PATH}"
)


def connect(
    dsn: str, made: Callable[[psycopg.Connection[Any]], object] = lambda _: None
) -> psycopg.Connection[Any]:
    """`made` is called with the connection before anything is asked over it."""
    given = conninfo_to_dict(dsn)
    defaults = {"connect_timeout": 10, "client_encoding": "utf8", **KEEPALIVES}
    options: dict[str, Any] = {**defaults, **given, "application_name": APPLICATION_NAME}
    connection: psycopg.Connection[Any] = psycopg.connect(
        make_conninfo(**options), autocommit=True, prepare_threshold=None
    )
    made(connection)
    connection.execute(SESSION)
    connection.execute(f"set idle_in_transaction_session_timeout = '{HELD}s'")
    return connection
