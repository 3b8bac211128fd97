"""The column types of random cases, with values that are known to make trouble."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Type:
    """A column type and literals of it.

    `family` names what may stand in one column of a UNION or on both sides of ``=``. `normal` is
    an expression over ``{}`` under which equal values print alike, for types where 1.0 and 1.00
    are equal; '' where equal values always do.
    """

    name: str
    literals: tuple[str, ...]
    family: str = ""
    normal: str = ""
    comparable: bool = True
    ordered: bool = True

    def __post_init__(self) -> None:
        if not self.family:
            object.__setattr__(self, "family", self.name)

    def literal(self, number: int) -> str:
        return f"{self.literals[number % len(self.literals)]}::{self.name}"


INT = Type("integer", ("0", "1", "2", "3", "(-1)"))
BIGINT = Type("bigint", ("0", "1", "(-7)", "9007199254740993"))
TEXT = Type("text", ("'a'", "'b'", "''", "'B'", "'a,\"b'", "'ä'"))
NUMERIC = Type(
    "numeric",
    ("1.0", "1.00", "0", "2.5", "(-0.500)", "'NaN'", "'Infinity'", "'-Infinity'", "1e20"),
    normal="trim_scale({})",
)
MONEY = Type("numeric(8,2)", ("1", "2.50", "(-3.25)", "0", "'NaN'"), "numeric", "trim_scale({})")
FLOAT = Type(
    "double precision",
    ("0", "'-0'", "1.5", "(-2.25)", "'NaN'", "'Infinity'", "1024"),
    normal="{} + 0",
)
BOOLEAN = Type("boolean", ("true", "false"), ordered=False)
DATE = Type("date", ("'2024-02-29'", "'2025-01-01'", "'infinity'", "'0044-03-15 BC'"))
TIMESTAMP = Type(
    "timestamptz",
    ("'2024-03-31 02:30+01'", "'2024-03-31 01:30Z'", "'1999-12-31 23:59:59.999999Z'"),
)
JSON = Type(
    "json", ("""'{"a": 1}'""", """'{"a":  1}'""", "'null'", "'[1, 2]'"), "json", "", False, False
)
JSONB = Type(
    "jsonb",
    ("""'{"a": 1.0}'""", """'{"a": 1.00}'""", "'null'", "'[1, \"x\"]'"),
    normal="replace({}::text, '1.00', '1.0')",
    ordered=False,
)
CHAR = Type("char(3)", ("'a'", "'ab '", "''", "'abc'"), "bpchar")
BPCHAR = Type("bpchar", ("'abc'",), "bpchar")
MOOD = Type("mood", ("'sad'", "'ok'", "'very happy'"))
INTS = Type("integer[]", ("'{}'", "'{1,2}'", "'{1,NULL}'", "'[0:1]={1,2}'"))
TEXTS = Type("text[]", ("'{}'", "'{a,b}'", "'{NULL,\"a b\"}'"))
INTERVAL = Type(
    "interval",
    ("'1 day'", "'24 hours'", "'-2 mons'", "'-60 days'"),
    normal="extract(epoch from justify_interval({}))",
)

COLUMN_TYPES = {
    "i": INT,
    "k": INT,
    "big": BIGINT,
    "t": TEXT,
    'Mixed "Case" t': TEXT,
    "n": NUMERIC,
    "m": MONEY,
    "f": FLOAT,
    "o": BOOLEAN,
    "d": DATE,
    "z": TIMESTAMP,
    "j": JSON,
    "jb": JSONB,
    "c": CHAR,
    "e": MOOD,
    "a": INTS,
    "ta": TEXTS,
    "v": INTERVAL,
}
"""A column's name tells its type, so that tables have columns in common for JOIN USING."""

TYPES_OF_RESULTS = {
    type.family: type for type in reversed([*COLUMN_TYPES.values(), NUMERIC, CHAR])
} | {"numeric": NUMERIC}


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
