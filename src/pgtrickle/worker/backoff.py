"""How long to wait before what went wrong is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

LONGEST = 30.0
SOMEBODY_ELSE = ("40001", "40P01", "55P03", "55006")
"""What others that change the same tables, or read the log, bring about."""


def backoff(failures: int, longest: float = LONGEST) -> float:
    """Seconds to wait: 0.1 doubled each time, at most `longest`, scattered so that many spread."""
    pause: float = 0.1 * 2 ** min(failures, 20)
    return min(pause, longest) * random.uniform(0.75, 1.0)


@dataclass
class Resting:
    """What could not be done now, and is left alone for a while that grows each time in a row.

    Times are those of `time.monotonic`; `longest` is in seconds.
    """

    longest: float
    _failures: dict[int, int] = field(default_factory=dict)
    _until: dict[int, float] = field(default_factory=dict)

    def failed(self, id: int, now: float) -> None:
        self._failures[id] = self._failures.get(id, -1) + 1
        self._until[id] = now + backoff(self._failures[id], self.longest)

    def succeeded(self, id: int) -> None:
        self._failures.pop(id, None)
        self._until.pop(id, None)

    def ids(self, now: float) -> frozenset[int]:
        """Those whose time is not over."""
        return frozenset(id for id, until in self._until.items() if until > now)

    def seconds(self, now: float) -> float | None:
        """Until the next one's time is over; None where none rests."""
        return min((until - now for until in self._until.values() if until > now), default=None)
