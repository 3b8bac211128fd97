"""PostgreSQL's regression scripts, statement by statement: what psql does with them, in little."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TOKEN = re.compile(
    r"""
    (?P<string>[eE]?'(?:[^'\\]|''|\\.)*')
    | (?P<name>"(?:[^"]|"")*")
    | (?P<dollar>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<comment>--[^\n]*|/\*.*?\*/)
    | (?P<meta>^\\[^\n]*|\\(?:g\w*|crosstabview|watch)[^\n]*)
    | (?P<variable>(?<![:\w]):'?\w+'?)
    | (?P<end>;)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_TEMPORARY = re.compile(
    r"\b(?P<before>create\s+(?:or\s+replace\s+)?|into\s+)(?:(?:local|global)\s+)?temp(?:orary)?\s+"
    r"(?P<kind>(?:recursive\s+)?view\s+|table\s+|sequence\s+|)(?P<cautious>if\s+not\s+exists\s+)?"
    r"(?=\w+\b(?!\s*\.))",
    re.IGNORECASE,
)
_COPIED = re.compile(r"\\copy\b.*\bfrom\s+stdin\b", re.IGNORECASE)
_BODY = re.compile(r"\bbegin\s+atomic\b", re.IGNORECASE)


@dataclass(frozen=True)
class Statement:
    """A statement, and the lines that follow it as data where it is COPY ... FROM STDIN."""

    text: str
    data: str | None = None


def statements(script: Path, variables: dict[str, str]) -> Iterator[Statement]:
    """The statements of a script, its variables filled in."""
    text = script.read_text(encoding="utf-8", errors="replace")
    variables = dict(variables)
    made = ""
    depth = 0  # of parentheses that are no part of a string
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        assert token is not None
        at = token.end()
        kind = token.lastgroup if token.lastgroup != "tag" else "dollar"
        piece = token.group()
        if kind == "meta":
            _set(piece, variables)
            if _COPIED.match(piece):
                data, at = _data(text, at)
                yield Statement(piece[1:], data)
            elif piece.startswith("\\g") and made.strip():
                yield Statement(made.strip())
                made, depth = "", 0
        elif kind == "variable":
            made += _filled(piece, variables)
        elif kind == "end" and depth <= 0 and not _is_body(made):
            statement, made, depth = made.strip(), "", 0
            if re.match(r"copy\b.*\bfrom\s+std(in|out)\b", statement, re.IGNORECASE | re.DOTALL):
                data, at = _data(text, at)
                yield Statement(statement, data)
            elif statement:
                yield Statement(statement)
        elif kind != "comment":
            made += piece
            depth += {"(": 1, ")": -1}.get(piece, 0) if kind == "other" else 0
        else:
            made += " "


def lasting(statement: str, schema: str) -> str:
    """The statement, a temporary table, view or sequence of it in a schema that lasts: stream
    tables do not read what belongs to a session. As it is where it says what a commit does."""
    if re.search(r"\bon\s+commit\b", statement, re.IGNORECASE):
        return statement
    return _TEMPORARY.sub(
        lambda found: (
            f"{found['before']}{found['kind'] or ''}{found['cautious'] or ''}{schema}."
            if found["kind"] or found["before"].lower().startswith("into")
            else found.group()
        ),
        statement,
        count=1,
    )


def _data(text: str, at: int) -> tuple[str, int]:
    """The lines after this place up to one of a backslash and a dot, and where the next begins."""
    found = re.compile(r"[^\n]*\n(.*?)^\\\.$\n?", re.DOTALL | re.MULTILINE).match(text, at)
    return (found.group(1), found.end()) if found else ("", at)


def _set(line: str, variables: dict[str, str]) -> None:
    words = line.split(None, 2)
    if words[0] == "\\getenv" and len(words) == 3:
        variables.setdefault(words[1], "")
    elif words[0] == "\\set" and len(words) == 3:
        variables[words[1]] = "".join(
            _filled(word, variables) if word.startswith(":") else word.strip("'")
            for word in words[2].split()
        )


def _filled(piece: str, variables: dict[str, str]) -> str:
    name = piece.strip(":'")
    if name not in variables:
        return piece
    return f"'{variables[name]}'" if "'" in piece else variables[name]


def _is_body(text: str) -> bool:
    """Whether a semicolon ends no statement: within the body of a function."""
    return bool(_BODY.search(text)) and not re.search(r"\bend\s*$", text, re.IGNORECASE)
