"""Which of several workers serves a database: the one that holds a session advisory lock.

PostgreSQL gives the lock back when the session ends, however it ends, so a standby takes over
without a lease that would have to run out first. `pgtrickle._worker_alive()` looks for the same
lock. A pooler in transaction mode would hand the session around: a worker connects directly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pgtrickle.database import Session

LOCK = (1885829237, 1)


def lead(session: Session) -> bool:
    """Take the lead for the session's database; False where another has it, or on a standby."""
    rows = session.rows(
        "select case when pg_catalog.pg_is_in_recovery() then false"
        f" else pg_catalog.pg_try_advisory_lock({LOCK[0]}, {LOCK[1]}) end"
    )
    return bool(rows[0][0])


def leader(session: Session) -> dict[str, Any]:
    """Who leads now, for a log line: `leader` is its process id, `role` its role; nothing where
    nobody does."""
    rows = session.rows(
        "select a.pid, a.usename from pg_catalog.pg_locks l"
        " join pg_catalog.pg_stat_activity a on a.pid = l.pid"
        " where l.locktype = 'advisory' and a.datname = pg_catalog.current_database()"
        f" and (l.classid, l.objid, l.objsubid) = ({LOCK[0]}, {LOCK[1]}, 2) and l.granted"
    )
    return dict(zip(("leader", "role"), rows[0], strict=True)) if rows else {}
