"""`pgtrickle explain`: how a stream table, or a query that would be one, is kept up to date."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from . import output
from .engine import AsJson, Dsn, opened

if TYPE_CHECKING:
    from pgtrickle.explanation import Explanation, StateInfo


def explain(
    name_or_query: Annotated[
        str,
        typer.Argument(
            metavar="NAME|QUERY", help="A stream table, or a query.", show_default=False
        ),
    ],
    sql: Annotated[bool, typer.Option("--sql", help="Also the SQL of the deltas.")] = False,
    dsn: Dsn = "",
    as_json: AsJson = False,
) -> None:
    """Show how it is refreshed, why so, what is kept for it, and which indexes would help."""
    with opened(dsn) as engine:
        explanation = engine.explain(name_or_query)
    if as_json:
        output.show_json(explanation)
        return
    output.show_fields(_fields(explanation), as_json=False)
    if sql:
        for number, text in explanation.delta.items():
            what = "several sources" if number == "*" else explanation.sources[int(number)].name
            output.say(f"\ndelta for changes of {what}\n{text}")


def _fields(explanation: Explanation) -> dict[str, str]:
    """What is known, by name; a list is one line each."""
    fields = {
        "stream table": explanation.name,
        "refresh mode": explanation.mode,
        "reason": explanation.reason,
        "rows found by": explanation.identity,
        "sources": _lines(
            f"{source.name} ({', '.join(source.columns)})" for source in explanation.sources
        ),
        "operators": _lines(explanation.tree),
        "state": _lines(_state(state) for state in explanation.state),
        "missing indexes": _lines(
            f"{missing.statement}  -- {missing.why}" for missing in explanation.advice
        ),
        "query": _lines(explanation.query.splitlines()),
    }
    return {name: value for name, value in fields.items() if value}


def _lines(lines: Iterable[str]) -> str:
    """Below their name: a text that ends a line is one of several lines."""
    return "".join(f"{line}\n" for line in lines)


def _state(state: StateInfo) -> str:
    key = f"key ({', '.join(state.key)})" if state.key else "no key"
    if state.size_bytes is None:
        return f"{state.name}: {key}"
    rows = "unknown" if state.rows is None else f"about {state.rows}"
    return f"{state.name}: {key}, {state.size_bytes // 1024} kB, {rows} rows"
