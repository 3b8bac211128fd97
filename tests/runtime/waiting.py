"""What one session does while others keep it waiting, as the server tells it and no clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]

PATIENCE = 120
"""Seconds after which what was to come comes no more, however busy the machine is."""


def begun(act: Callable[[], Any], session: Connection, watcher: Connection) -> Future[Any]:
    """What `act` gives, which has begun in `session` and waits for a lock of another session."""
    with_one = ThreadPoolExecutor(1)
    outcome = with_one.submit(act)
    with_one.shutdown(wait=False)
    end = time.monotonic() + PATIENCE
    while not _is_blocked(session, watcher):
        assert not outcome.done(), f"waited for nobody: {outcome}"
        assert time.monotonic() < end
        time.sleep(0.01)
    return outcome


def _is_blocked(session: Connection, watcher: Connection) -> bool:
    row = watcher.execute(
        "select cardinality(pg_blocking_pids(%s)) > 0", [session.info.backend_pid]
    ).fetchone()
    return row is not None and bool(row[0])
