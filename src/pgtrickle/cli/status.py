"""`pgtrickle status`: the stream tables of a database."""

from __future__ import annotations

from . import output
from .engine import AsJson, Dsn, opened


def status(dsn: Dsn = "", as_json: AsJson = False) -> None:
    """Show every stream table, its refresh mode, its age and its errors."""
    with opened(dsn) as engine:
        tables = list(engine.status())
    if not tables and not as_json:
        output.say("There are no stream tables.")
    output.show(output.Table.of(tables), as_json=as_json)
