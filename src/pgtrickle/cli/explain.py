"""`pgtrickle explain`: how a stream table, or a query that would be one, is kept up to date."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .engine import AsJson, Dsn, opened


def explain(
    name_or_query: Annotated[
        str,
        typer.Argument(
            metavar="NAME|QUERY", help="A stream table, or a query.", show_default=False
        ),
    ],
    dsn: Dsn = "",
    as_json: AsJson = False,
) -> None:
    """Show the refresh mode, the reason for it, and the maintenance plan."""
    with opened(dsn) as engine:
        explanation = engine.explain(name_or_query)
    output.show_fields(explanation, as_json=as_json)
