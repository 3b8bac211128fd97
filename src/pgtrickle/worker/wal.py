"""Capture from the write-ahead log: the slot, and which sources are read through it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import psycopg

from . import decoding
from .backoff import Resting
from .logs import fields_of

if TYPE_CHECKING:
    from pgtrickle.database import Session
    from pgtrickle.engine import Engine

CREATING = "5s"
"""A new slot waits for the transactions that are under way, and holds the worker up meanwhile."""
AGAIN = 30.0
"""Seconds until a slot that could not be made is tried again."""
SHARE = 0.25
"""Of the time that may go into reading again what was read before. A transaction that stays open
has the server give all the log since its beginning each time."""
UNNOTICED = 0.25
"""Seconds of decoding after which it does not matter."""
PERSISTENT = 3
"""Failures to decode in a row, two seconds apart, after which the slot is made anew. One that has
never been decoded is given up at once: made while definitions were changed, it may lack some of
them for ever."""
TRANSIENT = ("08", "40", "53", "55", "57")
"""Classes of errors that have nothing to do with what is decoded."""
LONGEST_REST = 300.0
"""Seconds until a source that could not be moved is tried again, at most: each try holds its
writers up."""
log = logging.getLogger(__name__)


class Wal:
    """The log of one database, as the leading worker reads it.

    `keep` is called now and then; `decoded` opens a transaction in which stream tables may be
    refreshed from the log. Both want the slot for themselves: while `keep` waits for its turn or
    has it (`waits`), no further refresh from the log is to begin, or tables that are always due
    would keep it out, and refreshes that wait for it would take lanes from others. Nor is one to
    begin while the log `rests`.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self.waits = False
        self._connect = connect
        self._flusher: psycopg.Connection[Any] | None = None
        self._not_before = 0.0
        self._rests_until = 0.0
        self._failures = 0
        self._resting = Resting(LONGEST_REST)
        self._reading = threading.RLock()

    def close(self) -> None:
        if self._flusher is not None:
            self._flusher.close()

    @property
    def rests(self) -> bool:
        """Whether the log is left alone, for most of it was read again and that took long."""
        return time.monotonic() < self._rests_until

    @contextlib.contextmanager
    def decoded(self, engine: Engine) -> Iterator[None]:
        """A REPEATABLE READ transaction; the buffers are as its snapshot sees the sources."""
        with self._reading:  # a slot has one reader at a time
            with engine.connection.transaction():
                engine.session.rows("set transaction isolation level repeatable read")
                began = time.monotonic()
                read = decoding.decode(engine, self._second())
                if read is not None:
                    self._rest(read, began, time.monotonic())
                yield
            if read is not None:
                decoding.advance(engine.connection, read.end)

    def _rest(self, read: decoding.Stretch, began: float, now: float) -> None:
        if now - began > UNNOTICED:
            self._rests_until = now + (now - began) * read.repeated * (1 / SHARE - 1)

    def keep(self, engine: Engine) -> None:
        """Move sources to the log and back as is wished, and see to the slot and its lag.

        Waits for the refresh that reads the log.
        """
        self.waits = True
        try:
            with self._reading:
                self._keep(engine)
        finally:
            self.waits = False

    def _keep(self, engine: Engine) -> None:
        session = engine.session
        wishes = session.rows(
            "select source_relid, cdc_mode, wanted, obstacle from pgtrickle._wal_wishes()"
        )
        for relid, mode, wanted, obstacle in wishes:
            if mode == "WAL" and (obstacle is not None or not wanted):
                self._move(session, relid, "_move_to_triggers", obstacle)
            elif wanted:
                session.rows("select pgtrickle._note_obstacle(%s, %s)", (relid, obstacle))
        candidates = [relid for relid, _, wanted, obstacle in wishes if wanted and obstacle is None]
        if self._slot(session, bool(candidates)):
            for relid, mode, wanted, obstacle in wishes:
                if mode == "TRIGGER" and wanted and obstacle is None:
                    self._move(session, relid, "_move_to_wal", None)
            if not self.rests:
                self._decode(engine)

    def _decode(self, engine: Engine) -> None:
        """Decode, and make the slot anew where that fails again and again: all that reads the log
        would stand still."""
        try:
            with self.decoded(engine):
                pass
            self._failures = 0
        except psycopg.Error as error:
            if engine.connection.closed or (error.sqlstate or "08")[:2] in TRANSIENT:
                raise
            self._failures += 1
            if self._failures < PERSISTENT:
                raise
            ((name,),) = engine.session.rows("select slot_name from pgtrickle.pgt_wal_slot")
            self._lose_slot(
                engine.session, name, f"it cannot be decoded: {fields_of(error)['error']}"
            )

    def _move(self, session: Session, relid: int, function: str, because: str | None) -> None:
        """Move a source, whose writers are kept out for that; after a failure not at once again."""
        now = time.monotonic()
        if relid in self._resting.ids(now):
            return
        ((hindrance, name),) = session.rows(
            f"select pgtrickle.{function}(%s), %s::oid::regclass::text", (relid, relid)
        )
        if hindrance is None:
            self._resting.succeeded(relid)
        else:
            self._resting.failed(relid, now)
        log.log(
            logging.INFO if hindrance is None else logging.WARNING,
            "cdc_transition" if hindrance is None else "cdc_transition_waits",
            extra={
                "source": name,
                "to": "WAL" if function == "_move_to_wal" else "TRIGGER",
                "reason": hindrance or because,
            },
        )

    def _slot(self, session: Session, wanted: bool) -> bool:
        """See to it that the slot is there and sound; whether it is."""
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
            return wanted or not self._release(session)
        if (state == "none" and not wanted) or time.monotonic() < self._not_before:
            return False
        if state != "none":
            return self._lose_slot(session, name, state)
        return self._make_slot(session, name)

    def _lose_slot(self, session: Session, name: str, reason: str) -> bool:
        """Tell that what the slot gave is of no use, and make another; whether there is one."""
        log.warning("slot_lost", extra={"slot": name, "reason": reason})
        session.rows("select pgtrickle._alert_slot_lost(%s, %s)", (name, reason))
        return self._make_slot(session, name)

    def _release(self, session: Session) -> bool:
        """Drop the slot where nobody needs it any more; whether that was so."""
        ((name,),) = session.rows("select pgtrickle._release_wal()")
        if name is not None:
            self._drop(session, name)
        return name is not None

    def _make_slot(self, session: Session, former: str | None) -> bool:
        ((name,),) = session.rows("select pgtrickle._prepare_wal()")
        for each in {name, former} - {None}:
            self._drop(session, each)
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
        self._failures = PERSISTENT - 1
        log.info("slot_created", extra={"slot": name})
        return True

    def _drop(self, session: Session, name: str) -> None:
        with contextlib.suppress(psycopg.errors.ObjectInUse):
            session.rows(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
                " where slot_name = %s and database = current_database()",
                (name,),
            )

    def _second(self) -> psycopg.Connection[Any]:
        """Another connection: one transaction can neither commit nor make a slot in between."""
        if self._flusher is None or self._flusher.closed:
            self._flusher = self._connect()
        return self._flusher
