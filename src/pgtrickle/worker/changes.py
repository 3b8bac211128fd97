"""Seeing that sources have changed, though no schedule says that it is time to look."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgtrickle.database import Session

TICK = 0.1
"""Seconds between two looks at whether anything was written."""
REGARDLESS = 5.0
"""Seconds after which buffers are looked into in any case: a gate may have been opened."""
SHARE = 0.1
"""Of the time that may go into looking into buffers, where many are written all the time."""


class Mark:
    """The number of the last change that was captured. It moves when somebody writes, who may
    commit much later; so until all have ended who were under way then, it may be any new snapshot
    that shows the change.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._last_change = -1
        self._snapshot = ""
        self._settled = False
        self._writers_below: int | None = None

    def moved(self) -> bool:
        """Whether a change may have become visible since this was last asked."""
        ((last_change, snapshot),) = self._session.rows(
            "select last_change, snapshot::text from pgtrickle._change_mark()"
        )
        is_new = bool(snapshot != self._snapshot)
        self._snapshot = snapshot
        if last_change != self._last_change:
            self._last_change = last_change
            self._settled, self._writers_below = False, None
            return True
        if self._settled:
            return False
        if self._writers_below is None:
            # A snapshot knows nothing of ids above those that have ended. An id of one's own is
            # above that of whoever took the number.
            ((own,),) = self._session.rows("select pg_catalog.pg_current_xact_id()::text")
            self._writers_below = int(own)
        elif int(snapshot.split(":")[0]) >= self._writers_below:
            self._settled = True
        return is_new


class Changes:
    """Which stream tables are to be refreshed because sources of theirs have changed.

    As long as nothing was written a number is asked for, and no buffer is looked into.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._mark = Mark(session)
        self._held: frozenset[int] = frozenset()
        self._again = 0.0
        self._next_tick = 0.0
        self._next_look = 0.0

    def ready(self, held: frozenset[int]) -> list[int]:
        """Ids of those to be refreshed now, except what is `held`; none where it is not time to
        look again, or nothing can have changed since."""
        now = time.monotonic()
        if now < max(self._next_tick, self._next_look):
            return []
        self._next_tick = now + TICK
        moved = self._mark.moved()
        if not (moved or now >= self._again or self._held - held):
            return []
        ((ids, seconds),) = self._session.rows(
            "select ids, again from pgtrickle._changed(%s::bigint[])", (list(held),)
        )
        seen = time.monotonic()
        self._held = held
        self._again = seen + min(REGARDLESS, REGARDLESS if seconds is None else float(seconds))
        self._next_look = seen + (seen - now) * (1 / SHARE - 1)
        return list(ids)

    def look_again(self, seconds: float) -> None:
        """Look into buffers after so many seconds, whether anything was written or not."""
        self._again = min(self._again, time.monotonic() + seconds)
