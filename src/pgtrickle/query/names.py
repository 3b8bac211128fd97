"""Spelling of names and strings in SQL: the one place where anything is quoted."""

from __future__ import annotations

import re

from pgtrickle.query.expression import Name
from pgtrickle.query.keywords import QUOTED_KEYWORDS

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*", re.ASCII)


def quote_identifier(name: str) -> str:
    """Spell one identifier, in double quotes unless it certainly needs none.

    Raises ValueError for what cannot be an identifier: the empty name and a NUL character.
    """
    if not name or "\0" in name:
        raise ValueError(f"not an SQL identifier: {name!r}")
    if _PLAIN.fullmatch(name) and name not in QUOTED_KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_name(name: Name) -> str:
    """Spell a possibly qualified name: ``('s', 'Orders')`` is ``s."Orders"``."""
    return ".".join(quote_identifier(part) for part in name)


def quote_operator(name: Name) -> str:
    """Spell an operator: ``+``, or ``OPERATOR(s.+)`` where it is qualified."""
    *schema, symbol = name
    if not schema:
        return symbol
    return f"OPERATOR({quote_name(tuple(schema))}.{symbol})"


def quote_literal(text: str) -> str:
    """Spell a string constant so that every setting of standard_conforming_strings reads it."""
    if "\0" in text:
        raise ValueError("an SQL string cannot hold a NUL character")
    quoted = text.replace("'", "''")
    if "\\" in quoted:
        return "E'" + quoted.replace("\\", "\\\\") + "'"
    return f"'{quoted}'"
