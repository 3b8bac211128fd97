"""Columns of users' may be called as anything is called in the engine's own statements."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from psycopg import sql

import pgtrickle
from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

PACKAGE = Path(pgtrickle.__file__).parent
# Variables, aliases and what is read from them, in the runtime and in what the compiler writes.
RUNTIME = (
    r"\b([a-z_]\w*)\.",
    r"\bas ([a-z_]\w*)",
    r"(?m)^    ([a-z_]\w*) (?:constant )?[a-z]",
    r"\) ([a-z_]\w*)",
    r"\b([a-z_]\w*) as\b",
    r"\b(tg_\w+)",
    r"<<(\w+)>>",
)
COMPILER = (r"\b([a-z_]\w*)\.\{", r"\bAS ([a-z_]\w*)", r"\) ([a-z]\w*)")
SYSTEM = {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}


def words() -> list[str]:
    found = set()
    for pattern, forms in (("runtime/*.sql", RUNTIME), ("**/*.py", COMPILER)):
        for path in PACKAGE.glob(pattern):
            text = re.sub("--.*", "", path.read_text(encoding="utf-8"))
            found.update(word for form in forms for word in re.findall(form, text))
    return sorted(w for w in found - SYSTEM if not w.startswith("__pgt_") and len(w) < 64)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("mode", ["DIFFERENTIAL", "IMMEDIATE"])
def test_any_word_of_ours_is_a_column(engine: Engine, mode: str) -> None:
    names = words()
    assert {"capture", "change", "tg_op", "target", "o", "n", "result"} <= set(names)
    names = names[:1500]
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    engine.connection.execute(
        sql.SQL("create table word (__key integer primary key, {})").format(
            sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(n)) for n in names)
        )
    )
    query = sql.SQL("select __key, {} from word").format(columns).as_string(engine.connection)
    engine.create_stream_table("words", query, refresh_mode=mode)
    first, last = map(sql.Identifier, (names[0], names[-1]))
    for statement in (
        "insert into word (__key) values (1), (2), (3)",
        "update word set {first} = 'first', {last} = 'last' where __key < 3",
        "update word set __key = __key + 10 where __key = 2",
        "delete from word where __key = 1",
    ):
        engine.connection.execute(sql.SQL(statement).format(first=first, last=last))
        engine.refresh("words")
        assert engine.verify("words").equal
