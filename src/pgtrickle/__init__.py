"""Stream tables for PostgreSQL: tables kept equal to their query by work proportional to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgtrickle.engine import Engine

__version__ = "0.1.0.dev0"


def connect(dsn: str = "", *, profile: str | None = None, target: str | None = None) -> Engine:
    """The engine on a connection of its own to the database `dsn` names.

    What the DSN leaves out is taken from libpq's variables (PGHOST, PGUSER, ...). With `profile`
    or `target` the database is that of dbt's profiles.yml; see `pgtrickle.profiles`.

    Raises:
        pgtrickle.profiles.ProfileError: There is no such profile or target.
        ValueError: Both a DSN and a profile were given.
    """
    if profile is not None or target is not None:
        from pgtrickle.profiles import dsn_of_profile

        if dsn:
            raise ValueError("A database is named by a DSN or by a profile, not by both.")
        dsn = dsn_of_profile(profile, target)
    # Here, so that a part of the package, pgtrickle.embedded for one, loads no compiler.
    from pgtrickle.engine import connect as to_engine

    return to_engine(dsn)
