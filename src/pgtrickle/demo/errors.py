"""What can go wrong in the demo."""

from __future__ import annotations

from pgtrickle.errors import PgTrickleError


class DemoError(PgTrickleError):
    """The demo cannot go on."""
