"""What the commands print: tables for a terminal, plain aligned text elsewhere, JSON on demand."""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table as RichTable


@dataclass
class Table:
    """Rows under named columns; the names are the keys in JSON."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]] = field(default_factory=list)

    @classmethod
    def of(cls, records: Sequence[Any]) -> Table:
        """Dataclasses of one kind, a row each."""
        columns = [column.name for column in dataclasses.fields(records[0])] if records else []
        return cls(columns, [[getattr(record, name) for name in columns] for record in records])


def show(table: Table, *, as_json: bool) -> None:
    """Print a table to standard output in the form its reader wants."""
    if as_json:
        show_json([dict(zip(table.columns, row, strict=True)) for row in table.rows])
    elif not table.columns:
        pass
    elif sys.stdout.isatty():
        Console().print(_drawn(table))
    else:
        _show_plain(table)


@contextmanager
def live() -> Iterator[Callable[[Table], None]]:
    """A function that shows a table in place of the one before; elsewhere than on a terminal, below
    it. Ctrl-C ends it without a complaint."""
    if not sys.stdout.isatty():
        with suppress(KeyboardInterrupt):
            yield _show_plain
        return
    with suppress(KeyboardInterrupt), Live(auto_refresh=False, screen=True) as screen:
        yield lambda table: screen.update(_drawn(table), refresh=True)


def show_fields(fields: Mapping[str, Any], *, as_json: bool) -> None:
    """Print named values: one a line, or an object in JSON."""
    if as_json:
        show_json(fields)
        return
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        # A text of several lines, a query for one, goes below its name as it is.
        if isinstance(value, str) and "\n" in value:
            print(f"{name}\n{textwrap.indent(value.strip(), '  ')}")
        else:
            print(f"{name.ljust(width)}  {_text(value)}".rstrip())


def show_json(value: Any) -> None:
    print(json.dumps(value, default=_json, indent=2, ensure_ascii=False))


def say(text: str) -> None:
    """Print a sentence to standard output."""
    print(text)


def complain(message: str, hint: str | None = None) -> None:
    """Print an error to standard error."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(f"[bold red]Error:[/] {escape(message)}")
    if hint:
        console.print(f"[bold]Hint:[/] {escape(hint)}")


def _drawn(table: Table) -> RichTable:
    drawn = RichTable(box=box.SIMPLE_HEAD)
    for index, column in enumerate(table.columns):
        drawn.add_column(column, justify="right" if _is_numeric(table, index) else "left")
    for row in table.rows:
        drawn.add_row(*(escape(_text(value)) for value in row))
    return drawn


def _show_plain(table: Table) -> None:
    lines = [list(table.columns), *([_text(value) for value in row] for row in table.rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(table.columns))]
    right = [_is_numeric(table, index) for index in range(len(table.columns))]
    for line in lines:
        cells = [
            text.rjust(width) if numeric else text.ljust(width)
            for text, width, numeric in zip(line, widths, right, strict=True)
        ]
        print("  ".join(cells).rstrip())


def _is_numeric(table: Table, index: int) -> bool:
    values = [row[index] for row in table.rows if row[index] is not None]
    return bool(values) and all(
        isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in values
    )


def _text(value: Any) -> str:
    """One value in one line: a line break or a tab would break the columns."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case list() | tuple():
            return ", ".join(_text(element) for element in value)
        case _:
            return " ".join(str(value).split())


def _json(value: Any) -> Any:
    match value:
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Path():
            return str(value)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return dataclasses.asdict(value)
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case _:
            return str(value)
