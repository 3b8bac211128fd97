"""Chores: what is done now and then, in a thread and on a connection of its own.

Compiling waits for writers of the sources, decoding the log may take minutes. What is due must not
wait for either, so the leading connection does none of it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from pgtrickle.engine import Engine

from .backoff import SOMEBODY_ELSE, backoff
from .logs import fields_of

HINDERED_OFTEN = 8
"""How often in a row others may hinder a chore, for a minute or so, before that is a warning."""
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Chore:
    """`do` is done every so many `seconds`, and after the others' turn where it returns True:
    it has done part of what there is to do."""

    name: str
    seconds: float
    do: Callable[[Engine], bool | None]
    due: float = field(default=0.0)
    hindered: int = field(default=0)
    """How often in a row others kept it from being done."""


class Chores:
    """Does chores one after another until it is closed; `done` is called, in its thread, after
    each. One that fails is reported and comes again in its time; one that others hindered comes
    again soon. A connection that is lost is made anew."""

    def __init__(
        self,
        name: str,
        connect: Callable[[], psycopg.Connection[Any]],
        chores: Sequence[Chore],
        done: Callable[[], None] = lambda: None,
    ) -> None:
        self._connect = connect
        self._chores = chores
        self._done = done
        self._stirred = threading.Event()
        self._closing = False
        self._engine: Engine | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"{threading.current_thread().name}-{name}"
        )

    def start(self) -> None:
        self._thread.start()

    def stir(self, name: str) -> None:
        """Have the chore of that name done now, if it is one of these."""
        for chore in self._chores:
            if chore.name == name:
                chore.due = 0.0
                self._stirred.set()

    def close(self) -> None:
        """End; what is being done is cut off, and loses nothing by it."""
        self._closing = True
        self._stirred.set()
        while self._thread.is_alive():
            engine = self._engine
            if engine is not None and not engine.connection.closed:
                with contextlib.suppress(psycopg.Error):
                    engine.connection.cancel_safe(timeout=2)
            self._thread.join(0.5)

    def _run(self) -> None:
        failures = 0
        while not self._closing:
            try:
                if self._engine is None or self._engine.connection.closed:
                    self._engine = Engine(self._connect())
                pause = self._round(self._engine)
                failures = 0
            except psycopg.Error as error:
                failures += 1
                pause = backoff(failures)
                if not self._closing:
                    log.warning("chores_interrupted", extra=fields_of(error))
            self._stirred.wait(pause)
            self._stirred.clear()
        if self._engine is not None:
            self._engine.close()

    def _round(self, engine: Engine) -> float:
        """Do what is due; the seconds until something is. Raises where the connection is gone."""
        for chore in self._chores:
            if self._closing:
                break
            now = time.monotonic()
            if now < chore.due:
                continue
            chore.due = now + chore.seconds
            try:
                if chore.do(engine):
                    chore.due = 0.0
                chore.hindered = 0
            except psycopg.Error as error:
                if engine.connection.closed:
                    raise
                if not self._closing:
                    self._note(chore, error)
            except Exception:
                log.exception("unexpected_error")  # the other chores go on
            self._done()
        return max(0.0, min(chore.due for chore in self._chores) - time.monotonic())

    @staticmethod
    def _note(chore: Chore, error: psycopg.Error) -> None:
        said = {"chore": chore.name, **fields_of(error)}
        if error.sqlstate in SOMEBODY_ELSE:
            chore.hindered += 1
            chore.due = min(chore.due, time.monotonic() + backoff(chore.hindered))
            level = logging.INFO if chore.hindered <= HINDERED_OFTEN else logging.WARNING
            log.log(level, "chore_hindered", extra=said)
        else:
            log.warning("chore_failed", extra=said)
