"""Where in a model's file something stands."""

from __future__ import annotations

import re
from pathlib import Path

# Comments and strings of SQL, and comments of Jinja: nothing in them is a construct of the query.
_ASIDE = re.compile(r"--[^\n]*|/\*.*?\*/|\{#.*?#\}|'(?:[^']|'')*'", re.DOTALL)


def line_of(construct: str, file: Path) -> int | None:
    """The line of the file with this construct (`FULL JOIN`, `volatile function random`), from 1.

    What is said before its name is passed over. None where there is no such line, or more than one,
    or no such file.
    """
    if not file.is_file():
        return None
    code = _ASIDE.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), file.read_text("utf-8"))
    words = re.findall(r"\w+", construct.rsplit(".", 1)[-1])
    for first in range(len(words)):
        name = r"\b" + r"\s+".join(words[first:]) + r"\b"
        lines = {
            code.count("\n", 0, found.start()) + 1
            for found in re.finditer(name, code, re.IGNORECASE)
        }
        if lines:
            return lines.pop() if len(lines) == 1 else None
    return None
