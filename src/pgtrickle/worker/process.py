"""The process: a thread for each database, and the signals that end it."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence
from types import FrameType

from .bell import Bell
from .serving import Manner, serve

log = logging.getLogger(__name__)

_LOOK_FOR_SIGNALS = 1.0  # seconds


def run(dsns: Sequence[str], manner: Manner) -> None:
    """Serve the databases until SIGINT or SIGTERM; the refreshes under way are finished.

    A second signal ends the process at once, and loses nothing either.
    """
    bells = [Bell() for _ in dsns]

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        for bell in bells:
            bell.ring()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    threads = [
        threading.Thread(target=serve, args=(dsn, bell, manner), name=f"database-{position}")
        for position, (dsn, bell) in enumerate(zip(dsns, bells, strict=True), start=1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        # Python runs the handler in this thread alone, and a signal that another thread was given,
        # or that came just before the wait, does not end it.
        while thread.is_alive():
            thread.join(_LOOK_FOR_SIGNALS)
    log.info("stopped")
