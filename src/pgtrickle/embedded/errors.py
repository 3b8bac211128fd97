"""What can go wrong with an embedded server."""

from __future__ import annotations

from pgtrickle.errors import PgTrickleError


class EmbeddedError(PgTrickleError):
    """Any failure of the embedded server."""


class NoPostgresError(EmbeddedError):
    """No PostgreSQL to run: no wheel for this platform, or not installed, or too old."""


class DirectoryError(EmbeddedError):
    """The directory cannot hold this server."""


class ServerStartError(EmbeddedError):
    """The server did not come up."""


class ServerStopError(EmbeddedError):
    """The server did not go down."""
