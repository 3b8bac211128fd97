"""PostgreSQL's raw parse tree, read so that nothing in it can be overlooked.

libpg_query (through postgast) gives the tree as JSON: ``{"A_Expr": {"kind": ..., ...}}``, with
fields at their zero value left out. A `Node` hands each field out once; `Node.done` refuses
the fields nobody asked for, so grammar that is new to us is an error and never dropped.
"""

from __future__ import annotations

import json
import threading
from importlib import import_module
from typing import Any

from pgtrickle.errors import NotUnicodeError, PgTrickleError

# Not by an import statement: type checkers stumble over the stubs postgast generates.
_libpg_query: Any = import_module("postgast.native").lib

# libpg_query writes a tree by recursion and looks at no limit: where the stack ends, the process
# dies. No construct was found that takes more of it per byte of text than a quarter of this.
_STACK_PER_BYTE = 512
_SHORT = 4096
"""Bytes of text for which any thread's stack will do."""
_stack_size = threading.Lock()

_POSITIONS = frozenset(
    {
        "location",
        "name_location",
        "list_start",
        "list_end",
        "rexpr_list_start",
        "rexpr_list_end",
        "stmt_location",
        "stmt_len",
    }
)


class UnsupportedSyntax(PgTrickleError):  # noqa: N818
    """The query uses a construct our tree has no place for. `construct` names it to the user."""

    sqlstate = "0A000"

    def __init__(self, construct: str) -> None:
        super().__init__(f"{construct} is not supported in the query of a stream table")
        self.construct = construct


class InvalidSyntax(PgTrickleError):  # noqa: N818
    """PostgreSQL's grammar refuses the text. `position` counts characters from 1, 0 if unknown."""

    sqlstate = "42601"

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class QueryTooDeep(PgTrickleError):  # noqa: N818
    """The query is nested more deeply than it can be analysed."""

    sqlstate = "54001"

    def __init__(self) -> None:
        super().__init__("the query is nested too deeply to be analysed")


class Node:
    """One node of the raw tree; `kind` is its C struct name."""

    __slots__ = ("_fields", "kind")

    def __init__(self, kind: str, fields: dict[str, Any]) -> None:
        self.kind = kind
        self._fields = fields

    @classmethod
    def wrapped(cls, value: dict[str, Any]) -> Node:
        """Read ``{"Kind": {...}}``."""
        ((kind, fields),) = value.items()
        return cls(kind, fields)

    def text(self, field: str) -> str:
        """Take a string or enumeration field ('' where absent)."""
        return str(self._fields.pop(field, ""))

    def number(self, field: str) -> int:
        """Take an integer field (0 where absent)."""
        return int(self._fields.pop(field, 0))

    def flag(self, field: str) -> bool:
        """Take a boolean field (False where absent)."""
        return bool(self._fields.pop(field, False))

    def one(self, field: str) -> Node | None:
        """Take a field that holds a node of any kind."""
        value = self._fields.pop(field, None)
        return None if value is None else Node.wrapped(value)

    def need(self, field: str) -> Node:
        """Take a field that always holds a node."""
        node = self.one(field)
        if node is None:
            raise UnsupportedSyntax(f"{self.kind} without {field}")
        return node

    def many(self, field: str) -> list[Node]:
        """Take a list of nodes ([] where absent)."""
        return [Node.wrapped(value) for value in self._fields.pop(field, ())]

    def optional_items(self, field: str) -> list[Node | None]:
        """Take a list whose items may be null pointers (``{}`` in the JSON)."""
        values = self._fields.pop(field, ())
        return [Node.wrapped(value) if value else None for value in values]

    def struct(self, field: str, kind: str) -> Node | None:
        """Take a field whose C type fixes the kind; the JSON does not repeat it there."""
        value = self._fields.pop(field, None)
        return None if value is None else Node(kind, value)

    def strings(self, field: str) -> tuple[str, ...]:
        """Take a list of String nodes as the tuple of their texts."""
        return tuple(node.string() for node in self.many(field))

    def string(self) -> str:
        """Read this node, which must be a String."""
        if self.kind != "String":
            raise UnsupportedSyntax(self.kind)
        return self.text("sval")

    def peek(self, field: str) -> str:
        """Look at a string or enumeration field without taking it."""
        return str(self._fields.get(field, ""))

    def has(self, field: str) -> bool:
        """Tell whether a field is still there to be taken."""
        return field in self._fields

    def done(self) -> None:
        """Refuse what has not been taken."""
        left = self._fields.keys() - _POSITIONS
        if left:
            raise UnsupportedSyntax(f"{self.kind} with {', '.join(sorted(left))}")


def raw_statements(sql: str) -> list[Node]:
    """Parse `sql` into the raw nodes of its statements.

    Raises InvalidSyntax, or QueryTooDeep where the tree cannot be read for its depth.
    """
    if "\0" in sql:  # where libpg_query would stop reading
        raise InvalidSyntax("a query cannot contain the character zero", sql.index("\0") + 1)
    try:
        text = sql.encode()
    except UnicodeEncodeError as unfit:
        raise NotUnicodeError(unfit) from None
    result = _parsed(text)
    try:
        if result.error:
            error = result.error.contents
            raise InvalidSyntax(error.message.decode(), error.cursorpos)
        printed = result.parse_tree
    finally:
        _libpg_query.pg_query_free_parse_result(result)
    try:
        tree = json.loads(printed)
    except RecursionError:
        raise QueryTooDeep from None
    return [Node.wrapped(statement["stmt"]) for statement in tree.get("stmts", ())]


def _parsed(sql: bytes) -> Any:
    """libpg_query's answer, computed on a stack that the text cannot exhaust."""
    if len(sql) <= _SHORT:
        return _libpg_query.pg_query_parse(sql)
    answer: list[Any] = []
    thread = threading.Thread(target=lambda: answer.append(_libpg_query.pg_query_parse(sql)))
    with _stack_size:
        former = threading.stack_size(max(2**23, _STACK_PER_BYTE * len(sql) // 4096 * 4096))
        try:
            thread.start()
        except RuntimeError:
            raise QueryTooDeep from None
        finally:
            threading.stack_size(former)
    thread.join()
    return answer[0]
