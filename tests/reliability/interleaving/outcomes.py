"""Which errors two things that happen at once may end with. Documented in docs/reliability.md."""

from __future__ import annotations

from .actions import ACTIONS

AGAIN = {
    "40001": "another transaction was faster than this snapshot allows: repeat the transaction",
    "55P03": "what is needed is in use for longer than one should wait: repeat",
}
"""Errors after which the same transaction succeeds when it is repeated."""

_USERS = ("refresh", "full refresh", "alter query", "drop")

SETTLED = {
    **{(late, "drop"): "42P01" for late in _USERS},
    ("create", "create"): "42P07",
    ("attach", "attach"): "42809",
    ("attach", "DDL on source"): "42804",
}
"""Where the other one has made what was asked for impossible, by (action, other one)."""


def allowed(action: str, other: str) -> set[str]:
    """SQLSTATEs with which the action may end beside the other one; an empty text is success."""
    assert action in ACTIONS
    settled = SETTLED.get((action, other))
    return {"", *AGAIN, *([settled] if settled else [])}
