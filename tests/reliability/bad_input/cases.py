"""The table of wrong calls: `calls.txt` is written by hand, `answers.txt` beside it by

    python -m tests.reliability.bad_input.cases DSN

against an empty database, and then read by a person: each answer says what is wrong, where, and
what to do where that is not plain.
"""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg

import pgtrickle

from .build import build

_HERE = Path(__file__).parent
CALLS = [
    line
    for line in (_HERE / "calls.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


def answer(connection: psycopg.Connection, call: str) -> str:
    """SQLSTATE, message and hint of a wrong call, each on a line."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(call)  # type: ignore[arg-type]
    except psycopg.Error as error:
        said = [error.sqlstate, error.diag.message_primary, error.diag.message_hint]
        return "\n".join(part for part in said if part)
    return "(no error)"


def known() -> dict[str, str]:
    """The answers on record, by call."""
    cases = (_HERE / "answers.txt").read_text().rstrip("\n").split("\n\n")
    return dict(case.split("\n", 1) for case in cases)


def main() -> None:
    with pgtrickle.connect(sys.argv[1]) as engine:
        engine.install()
        build(engine)
        cases = [f"{call}\n{answer(engine.connection, call)}\n" for call in CALLS]
    (_HERE / "answers.txt").write_text("\n".join(cases))


if __name__ == "__main__":
    main()
