"""What can go wrong, as classes. Each part of the engine derives its own from `PgTrickleError`."""

from __future__ import annotations


class PgTrickleError(Exception):
    """Something its reader can understand and act on; shown without a traceback.

    `sqlstate` is the five-character code the same error carries in SQL, where it has one.
    `hint` says what to do about it.
    """

    sqlstate: str | None = None
    hint: str | None = None

    def __init__(
        self, message: str, *, sqlstate: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        if sqlstate is not None:
            self.sqlstate = sqlstate
        if hint is not None:
            self.hint = hint


class NotUnicodeError(PgTrickleError):
    """A name or a query holds what is no character: half a pair, or bytes that are not UTF-8."""

    sqlstate = "22021"
    hint = "Names and queries are text in UTF-8"

    def __init__(self, error: UnicodeError) -> None:
        super().__init__(f"this is not text: {error}")
