"""A corpus: a schema, named queries, and rows to fill the tables with.

Queries stand in one file, each under a line ``-- name`` or ``-- name, what it is about``.
"""

from __future__ import annotations

import re
from pathlib import Path

HEAD = re.compile(r"^-- (\w+)(?:, .*)?$", re.MULTILINE)


def read_queries(path: Path) -> dict[str, str]:
    """The queries of a file by name, in order."""
    _, *parts = HEAD.split(path.read_text())
    named = dict(zip(parts[::2], parts[1::2], strict=True))
    return {name: text.strip() for name, text in named.items()}
