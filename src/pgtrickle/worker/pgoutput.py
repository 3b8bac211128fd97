"""Messages of PostgreSQL's logical decoding plugin pgoutput, protocol version 1.

Described in PostgreSQL's documentation, "Logical Replication Message Formats". Values are text, as
the type's output function writes them; None is NULL, and UNCHANGED a large value that the update
left alone.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

UNCHANGED: Final = b"\x00unchanged"
"""No text has a zero byte."""
Value = bytes | None
Row = list[Value]


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction; `commit_lsn` is where its commit begins in the log, `xid` has 32 bits."""

    commit_lsn: int
    xid: int


@dataclass(frozen=True, slots=True)
class Relation:
    """What is known of a table from here on: names and type OIDs of its columns."""

    relid: int
    columns: list[str]
    types: list[int]


@dataclass(frozen=True, slots=True)
class Change:
    """A row that was, a row that is, or both. `whole` is false where `old` is a key only."""

    relid: int
    old: Row | None
    new: Row | None
    whole: bool


@dataclass(frozen=True, slots=True)
class Truncate:
    relids: list[int]


Message = Begin | Relation | Change | Truncate


def read(data: bytes) -> Message | None:
    """The message, or None for one that says nothing of rows."""
    reader = _Reader(data)
    match reader.letter():
        case b"B":
            commit_lsn, _time, xid = reader.numbers("!QQI")
            return Begin(commit_lsn, xid)
        case b"R":
            return _relation(reader)
        case b"I":
            (relid,) = reader.numbers("!I")
            reader.letter()
            return Change(relid, None, reader.row(), whole=True)
        case b"U":
            (relid,) = reader.numbers("!I")
            kind = reader.letter()
            old = None
            if kind != b"N":
                old = reader.row()
                reader.letter()
            return Change(relid, old, reader.row(), whole=kind == b"O")
        case b"D":
            (relid,) = reader.numbers("!I")
            kind = reader.letter()
            return Change(relid, reader.row(), None, whole=kind == b"O")
        case b"T":
            count, _options = reader.numbers("!IB")
            return Truncate(list(reader.numbers(f"!{count}I")))
        case _:
            return None


def _relation(reader: _Reader) -> Relation:
    (relid,) = reader.numbers("!I")
    reader.text()
    reader.text()
    _identity, count = reader.numbers("!BH")
    columns, types = [], []
    for _ in range(count):
        reader.letter()
        columns.append(reader.text())
        type_, _modifier = reader.numbers("!Ii")
        types.append(type_)
    return Relation(relid, columns, types)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def letter(self) -> bytes:
        self.at += 1
        return self.data[self.at - 1 : self.at]

    def numbers(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return found

    def text(self) -> str:
        end = self.data.index(b"\x00", self.at)
        found = self.data[self.at : end].decode()
        self.at = end + 1
        return found

    def row(self) -> Row:
        (count,) = self.numbers("!H")
        return [self._value() for _ in range(count)]

    def _value(self) -> Value:
        match self.letter():
            case b"n":
                return None
            case b"u":
                return UNCHANGED
        (length,) = self.numbers("!I")
        self.at += length
        return self.data[self.at - length : self.at]
