"""How a command is given a query: as an argument, from a file, or on standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

Query = Annotated[
    str | None,
    typer.Option("--query", "-q", metavar="SQL", help="The defining query.", show_default=False),
]
QueryFile = Annotated[
    str | None,
    typer.Option(
        "--file",
        "-f",
        metavar="FILE",
        help="A file that holds the query; - is standard input.",
        show_default=False,
    ),
]


def read(query: str | None, file: str | None) -> str | None:
    """The query given by one of the two options, or None; a wrong call if by both."""
    if query is not None and file is not None:
        raise typer.BadParameter("Give the query by --query or by --file, not by both.")
    if file is not None:
        try:
            return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        except UnicodeError as error:
            raise typer.BadParameter(f"{file} is not text in UTF-8: {error}.") from error
        except OSError as error:
            raise typer.BadParameter(f"{file} cannot be read: {error.strerror}.") from error
    return query
