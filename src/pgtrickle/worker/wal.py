"""Capture from the write-ahead log: the slot, and which sources are read through it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg

from . import decoding

if TYPE_CHECKING:
    from pgtrickle.engine import Engine

CREATING = "5s"
"""A new slot waits for the transactions that are under way, and holds the worker up meanwhile."""
AGAIN = 30.0
"""Seconds until a slot that could not be made is tried again."""
log = logging.getLogger(__name__)


class Wal:
    """The log of one database, as the leading worker reads it.

    `keep` is called now and then; `decoded` opens a transaction in which stream tables may be
    refreshed from the log. Both want the slot for themselves: while `keep` waits for its turn, no
    further refresh from the log is to begin, or tables that are always due would keep it out.
    """

    def __init__(self, engine: Engine, dsn: str) -> None:
        self.engine = engine
        self.dsn = dsn
        self.is_read = False
        self.waits = False
        self._flusher: psycopg.Connection[Any] | None = None
        self._not_before = 0.0
        self._reading = threading.RLock()

    def close(self) -> None:
        if self._flusher is not None:
            self._flusher.close()

    @contextlib.contextmanager
    def decoded(self, engine: Engine) -> Iterator[None]:
        """A REPEATABLE READ transaction; the buffers are as its snapshot sees the sources."""
        with self._reading:  # a slot has one reader at a time
            with engine.connection.transaction():
                engine.session.rows("set transaction isolation level repeatable read")
                reached = decoding.decode(engine, self._second())
                yield
            if reached is not None:
                decoding.advance(engine.connection, reached)

    def keep(self) -> None:
        """Move sources to the log and back as is wished, and see to the slot and its lag.

        While a refresh reads the log it does nothing, and `waits` is set.
        """
        self.waits = not self._reading.acquire(blocking=False)
        if not self.waits:
            try:
                self._keep()
            finally:
                self._reading.release()

    def _keep(self) -> None:
        session = self.engine.session
        wishes = session.rows(
            "select source_relid, cdc_mode, wanted, obstacle from pgtrickle._wal_wishes()"
        )
        for relid, mode, wanted, obstacle in wishes:
            if mode == "WAL" and (obstacle is not None or not wanted):
                self._move(relid, "_move_to_triggers", obstacle)
            elif wanted:
                session.rows("select pgtrickle._note_obstacle(%s, %s)", (relid, obstacle))
        candidates = [relid for relid, _, wanted, obstacle in wishes if wanted and obstacle is None]
        self.is_read = self._slot(bool(candidates))
        if self.is_read:
            for relid, mode, wanted, obstacle in wishes:
                if mode == "TRIGGER" and wanted and obstacle is None:
                    self._move(relid, "_move_to_wal", None)
            with self.decoded(self.engine):
                pass

    def _move(self, relid: int, function: str, because: str | None) -> None:
        ((hindrance,),) = self.engine.session.rows(f"select pgtrickle.{function}(%s)", (relid,))
        log.log(
            logging.INFO if hindrance is None else logging.WARNING,
            "cdc_transition" if hindrance is None else "cdc_transition_waits",
            extra={
                "source": self._name(relid),
                "to": "WAL" if function == "_move_to_wal" else "TRIGGER",
                "reason": hindrance or because,
            },
        )

    def _name(self, relid: int) -> str:
        ((name,),) = self.engine.session.rows("select %s::oid::regclass::text", (relid,))
        return str(name)

    def _slot(self, wanted: bool) -> bool:
        """See to it that the slot is there and sound; whether it is."""
        session = self.engine.session
        ((name, state, lag, critical, warning),) = session.rows(
            "select slot_name, state, lag_bytes,"
            " pgtrickle._setting('slot_lag_critical_threshold_mb')::bigint * 1048576,"
            " pgtrickle._setting('slot_lag_warning_threshold_mb')::bigint * 1048576"
            " from pgtrickle._wal_slot_state()"
        )
        if state == "ready" and lag > critical:
            state = f"{lag} bytes of log wait to be decoded, and recomputing is cheaper"
        elif state == "ready" and lag > warning:
            log.warning("slot_lag_warning", extra={"slot": name, "lag_bytes": lag})
            session.rows("select pgtrickle._alert_slot_lag(%s, %s)", (name, lag))
        if state == "ready":
            return wanted or not self._release()
        if state != "none":
            log.warning("slot_lost", extra={"slot": name, "reason": state})
        elif not wanted:
            return False
        return self._make_slot(name)

    def _release(self) -> bool:
        """Drop the slot where nobody needs it any more; whether that was so."""
        ((name,),) = self.engine.session.rows("select pgtrickle._release_wal()")
        if name is not None:
            self._drop(name)
        return name is not None

    def _make_slot(self, former: str | None) -> bool:
        if time.monotonic() < self._not_before:
            return False
        session = self.engine.session
        ((name,),) = session.rows("select pgtrickle._prepare_wal()")
        for each in {name, former} - {None}:
            self._drop(each)
        try:
            with self._second().transaction():
                self._second().execute(f"set local statement_timeout = '{CREATING}'")
                ((start,),) = self._second().execute(
                    "select lsn::text from pg_create_logical_replication_slot(%s, 'pgoutput')",
                    (name,),
                )
        except psycopg.Error as error:
            self._not_before = time.monotonic() + AGAIN
            log.warning("slot_not_created", extra={"slot": name, "error": str(error).strip()})
            return False
        session.rows("select pgtrickle._register_slot(%s, %s)", (name, start))
        log.info("slot_created", extra={"slot": name})
        return True

    def _drop(self, name: str) -> None:
        with contextlib.suppress(psycopg.errors.ObjectInUse):
            self.engine.session.rows(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
                " where slot_name = %s and database = current_database()",
                (name,),
            )

    def _second(self) -> psycopg.Connection[Any]:
        """Another connection: one transaction can neither commit nor make a slot in between."""
        if self._flusher is None or self._flusher.closed:
            from .serving import connect

            self._flusher = connect(self.dsn)
        return self._flusher
