"""Why a query is recomputed instead of maintained."""

from __future__ import annotations

from pgtrickle.errors import PgTrickleError


class NotIncremental(PgTrickleError):  # noqa: N818 - a finding about a query, not a fault
    """The query cannot be maintained incrementally.

    `construct` names what stands in the way (``FULL JOIN``); the message says why.
    """

    sqlstate = "0A000"
    hint = "Use refresh_mode FULL or AUTO: the table is then recomputed and stays exact."

    def __init__(self, construct: str, reason: str) -> None:
        super().__init__(f"{construct}: {reason}")
        self.construct = construct
        self.reason = reason
