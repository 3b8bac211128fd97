"""Lanes: threads with a connection each; what does not read each other goes side by side."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import psycopg

from pgtrickle.engine import Engine, Refresh

if TYPE_CHECKING:
    from .units import Unit

MOST_TABLES = 128
"""Refreshed over one connection: the server's session keeps some megabyte of plans for each."""
Perform = Callable[[Engine, "Unit"], Sequence[Refresh]]
log = logging.getLogger(__name__)


class Lanes:
    """At most so many units at a time; `done` is called, in the lane's thread, after each.

    A lane connects when it is first needed. One whose connection was lost makes another for the
    next unit: a refresh that was cut off was rolled back and is still due. So does one that has
    seen many tables, for its session keeps their plans.
    """

    def __init__(
        self,
        number: int,
        connect: Callable[[], psycopg.Connection[Any]],
        perform: Perform,
        done: Callable[[], None],
    ) -> None:
        self.number = number
        self._connect = connect
        self._perform = perform
        self._done = done
        self._waiting: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._under_way: list[Unit] = []
        self._finished: list[tuple[Unit, Sequence[Refresh]]] = []
        self._threads: list[threading.Thread] = []

    @property
    def units(self) -> list[Unit]:
        """Begun and not finished."""
        with self._lock:
            return list(self._under_way)

    @property
    def under_way(self) -> frozenset[int]:
        """Ids of the tables in all units begun and not finished."""
        return frozenset().union(*(unit.ids for unit in self.units))

    @property
    def free(self) -> int:
        with self._lock:
            return self.number - len(self._under_way)

    def begin(self, unit: Unit) -> None:
        with self._lock:
            self._under_way.append(unit)
            if len(self._threads) < len(self._under_way):
                name = f"{threading.current_thread().name}-lane-{len(self._threads) + 1}"
                self._threads.append(threading.Thread(target=self._run, name=name))
                self._threads[-1].start()
        self._waiting.put(unit)

    def finished(self) -> list[tuple[Unit, Sequence[Refresh]]]:
        """The units finished since it was last asked, with what was done; nothing where a lane had
        no connection."""
        with self._lock:
            done, self._finished = self._finished, []
        return done

    def close(self) -> None:
        """Wait for the refreshes under way, and end."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        engine: Engine | None = None
        seen: set[int] = set()
        while (unit := self._waiting.get()) is not None:
            done: Sequence[Refresh] = ()
            try:
                if engine is not None and len(seen) >= MOST_TABLES and not unit.ids <= seen:
                    engine.close()
                if engine is None or engine.connection.closed:
                    engine = Engine(self._connect())
                    seen.clear()
                seen |= unit.ids
                done = self._perform(engine, unit)
            except psycopg.Error as error:
                log.warning("lane_failed", extra={"error": str(error).strip()})
            except Exception:
                log.exception("unexpected_error")  # the lane is for other tables, too
            with self._lock:
                self._under_way.remove(unit)
                self._finished.append((unit, done))
            self._done()
        if engine is not None:
            engine.close()
