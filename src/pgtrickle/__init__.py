"""Stream tables for PostgreSQL: tables kept equal to their query by work proportional to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgtrickle.engine import Engine

__version__ = "0.1.0.dev0"


def connect(dsn: str = "") -> Engine:
    """The engine on a connection of its own to the database `dsn` names.

    What the DSN leaves out is taken from libpq's variables (PGHOST, PGUSER, ...).
    """
    # Here, so that a part of the package, pgtrickle.embedded for one, loads no compiler.
    from pgtrickle.engine import connect as to_engine

    return to_engine(dsn)
