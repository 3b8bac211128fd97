"""Sleeping until a time has passed, PostgreSQL has sent something, or somebody rings."""

from __future__ import annotations

import contextlib
import select
import socket

import psycopg


class Bell:
    """Rung once by a signal handler or another thread; from then on nobody sleeps.

    `wake` only ends the sleep that goes on, or the next one. A socket and not a threading.Event,
    because one must wait for it and for PostgreSQL at once.
    """

    def __init__(self) -> None:
        self._rope, self._clapper = socket.socketpair()
        self._rope.setblocking(False)
        self._clapper.setblocking(False)
        self.rung = False

    def ring(self) -> None:
        self.rung = True
        self.wake()

    def wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._rope.send(b"!")

    def sleep(self, seconds: float, connection: psycopg.Connection[object] | None = None) -> bool:
        """Sleep until the time is over, the bell was rung, or the connection has news or is gone;
        whether anything ended it but the time.

        What the news is, or that the connection is gone, the next query on it finds out.
        """
        awaited = [self._clapper.fileno()]
        if connection is not None:
            awaited.append(connection.fileno())
        stirred, _, _ = select.select(awaited, [], [], 0.0 if self.rung else max(seconds, 0.0))
        with contextlib.suppress(BlockingIOError):
            self._clapper.recv(4096)
        return self.rung or bool(stirred)
