"""From the write-ahead log into the change buffers; how and why is in `runtime/062_wal.sql`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import pgoutput
from .pgoutput import UNCHANGED, Begin, Change, Relation, Row, Truncate

if TYPE_CHECKING:
    import psycopg

    from pgtrickle.engine import Engine

FETCHED = 2_000
"""Messages fetched from the server at once."""
STORED = 2_000
"""Changed rows of a source written at once."""
MARK: list[Any] = []
"""In the place of a row's values: consumers must start anew."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was read of the log, as places in it: from `restart` on, where the oldest transaction
    under way had begun; what is between `start` and `end` had not been decoded before."""

    restart: int
    start: int
    end: int

    @property
    def repeated(self) -> float:
        """The share that had been read before."""
        return max(0, self.start - self.restart) / max(1, self.end - self.restart)


def decode(engine: Engine, flusher: psycopg.Connection[Any]) -> Stretch | None:
    """Bring the buffers up to the snapshot of the REPEATABLE READ transaction that is open.

    At the end of the stretch returned they are complete, for `advance` after the commit; None
    where there is no slot. Raises psycopg.Error, after which the transaction is of no use.
    """
    session = engine.session
    found = session.rows(
        "select b.slot_name, (b.decoded_lsn - '0/0')::bigint, (b.until_lsn - '0/0')::bigint,"
        " b.next_xid::text::bigint, b.until_lsn::text, b.until_lsn <= pg_current_wal_flush_lsn(),"
        " (coalesce(r.restart_lsn, b.decoded_lsn) - '0/0')::bigint"
        " from pgtrickle._begin_decoding() b"
        " left join pg_replication_slots r on r.slot_name = b.slot_name::name"
    )
    if not found:
        return None
    ((slot, start, end, next_xid, until, flushed, restart),) = found
    if not flushed:
        flush(flusher)
    captured = {
        relid: Source(relid, columns, types)
        for relid, columns, types in session.rows(
            "select source_relid, columns, types from pgtrickle._wal_columns()"
        )
    }
    store = Store(engine)
    decoded = messages(engine, slot, until)
    for relid, change in changes(decoded, captured, range(start, end), next_xid):
        store.add(relid, change)
    store.flush()
    session.rows("select pgtrickle._end_decoding(%s)", (until,))
    return Stretch(restart, start, end)


def flush(connection: psycopg.Connection[Any]) -> None:
    """Have all that is in the log by now written to disk: only that can be decoded.

    What commits with synchronous_commit off is seen by others before.
    """
    connection.execute("set synchronous_commit = local")
    connection.execute("select pg_logical_emit_message(true, 'pgtrickle', '')")


def advance(connection: psycopg.Connection[Any], lsn: int) -> None:
    """Let the server forget the log up to there."""
    connection.execute(
        "select pg_replication_slot_advance(w.slot_name, '0/0'::pg_lsn + %s::numeric)"
        " from pgtrickle.pgt_wal_slot w join pg_replication_slots r using (slot_name)"
        " where r.confirmed_flush_lsn < '0/0'::pg_lsn + %s::numeric",
        (lsn, lsn),
    )


def messages(engine: Engine, slot: str, until: str) -> Iterator[pgoutput.Message]:
    """What the slot has, up to a place in the log; it has it still afterwards."""
    with engine.connection.cursor("pgtrickle_decoding", binary=True) as cursor:
        cursor.itersize = FETCHED
        cursor.execute(
            "select data from pg_logical_slot_peek_binary_changes(%s, %s::pg_lsn, null,"
            " 'proto_version', '1', 'publication_names', 'pgtrickle')",
            (slot, until),
        )
        for (data,) in cursor:
            message = pgoutput.read(bytes(data))
            if message is not None:
                yield message


@dataclass
class Source:
    """A captured table, and where its captured columns stand in the rows that are decoded.

    `positions` is None while that is unknown, and where rows do not have what is captured.
    """

    relid: int
    columns: list[str] | None
    types: list[int]
    positions: list[int] | None = field(default=None)

    def described(self, relation: Relation) -> None:
        there = {name: at for at, name in enumerate(relation.columns)}
        fits = self.columns is not None and all(
            name in there and relation.types[there[name]] == type_
            for name, type_ in zip(self.columns, self.types, strict=True)
        )
        self.positions = [there[name] for name in self.columns or []] if fits else None

    def values(self, row: Row, instead: Row | None) -> list[str | None]:
        """The captured ones, as text; a large value that an update left alone is in the old row."""
        assert self.positions is not None
        found = []
        for at in self.positions:
            value = row[at]
            if value == UNCHANGED and instead is not None:
                value = instead[at]
            found.append(None if value is None else value.decode())
        return found

    def rows(self, change: Change) -> Iterable[tuple[int, list[Any]]]:
        """(weight, values) of what was and what is."""
        if self.positions is None or not change.whole:
            return [(0, MARK)]
        old = None if change.old is None else self.values(change.old, None)
        new = None if change.new is None else self.values(change.new, change.old)
        if old == new:
            return []
        return [(weight, row) for weight, row in ((-1, old), (1, new)) if row is not None]


def changes(
    decoded: Iterable[pgoutput.Message], sources: dict[int, Source], wanted: range, next_xid: int
) -> Iterator[tuple[int, list[Any]]]:
    """(source, [transaction id, weight, values ...]) of transactions whose commit is in `wanted`.

    `next_xid` has 64 bits, and tells which transaction the 32 bits of a message mean.
    """
    xid, skipping = 0, True
    for message in decoded:
        match message:
            case Begin():
                skipping = message.commit_lsn not in wanted
                xid = whole_xid(message.xid, next_xid)
            case Relation() if message.relid in sources:
                sources[message.relid].described(message)
            case Change() if not skipping and message.relid in sources:
                for weight, values in sources[message.relid].rows(message):
                    yield message.relid, [str(xid), weight, *values]
            case Truncate() if not skipping:
                for relid in message.relids:
                    if relid in sources:
                        yield relid, [str(xid), 0]


def whole_xid(xid: int, near: int) -> int:
    """The 64-bit transaction id nearest to `near` that ends in these 32 bits."""
    distance = (xid - near) & 0xFFFFFFFF
    return near + (distance - (1 << 32) if distance >= 1 << 31 else distance)


class Store:
    """Changes on their way into the buffers, so many of a source at once."""

    def __init__(self, engine: Engine) -> None:
        self.session = engine.session
        self.waiting: dict[int, list[list[Any]]] = {}

    def add(self, relid: int, change: list[Any]) -> None:
        waiting = self.waiting.setdefault(relid, [])
        waiting.append(change)
        if len(waiting) >= STORED:
            self._store(relid)

    def flush(self) -> None:
        for relid in list(self.waiting):
            self._store(relid)

    def _store(self, relid: int) -> None:
        rows = self.waiting.pop(relid)
        self.session.rows(
            "select pgtrickle._store_changes(%s, %s::jsonb)",
            (relid, json.dumps(rows, ensure_ascii=False)),
        )
