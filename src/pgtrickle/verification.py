"""Does a stream table equal its query, and if not, in which rows?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pgtrickle.database import Session

MOST = 10_000
"""Differing rows that are looked at; a table that differs in more has its counts cut off there."""

Row = dict[str, "str | None"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows, as text by column, that table and query do not have in equal number.

    `kind` is 'missing' (in the query alone), 'extra' (in the table alone) or 'different': the same
    key stands for `in_query` there and for `in_table` here. `copies`: how often.
    """

    kind: str
    in_query: Row | None
    in_table: Row | None
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a stream table equals its query; `differences` are the first rows that differ.

    `awaits` says why the next refresh may make them equal ('' where no reason is known).
    """

    name: str
    equal: bool
    missing: int = 0
    extra: int = 0
    different: int = 0
    differences: tuple[Difference, ...] = ()
    awaits: str = ""


def verify(session: Session, name: str, examples: int) -> Verdict:
    """Compare table and query in one statement; the first `examples` differences are shown."""
    rows = session.rows("select * from pgtrickle.verify_stream_table(%s, %s)", (name, MOST))
    if not rows:
        return Verdict(name, equal=True)
    columns, key = _columns_and_key(session, name)
    texts = [text for text, _, _ in rows]
    balance = [in_query - in_table for _, in_query, in_table in rows]
    values = _taken_apart(session, name, texts, columns)
    found = list(_paired(zip(values, balance, strict=True), key))
    count = dict.fromkeys(("missing", "extra", "different"), 0)
    for difference in found:
        count[difference.kind] += difference.copies
    differences = tuple(found[:examples])
    return Verdict(
        name, equal=False, **count, differences=differences, awaits=_awaits(session, name)
    )


def _awaits(session: Session, name: str) -> str:
    ((awaited,),) = session.rows("select pgtrickle._awaited(pgtrickle._find(%s))", (name,))
    return awaited or ""


def _columns_and_key(session: Session, name: str) -> tuple[list[str], list[str]]:
    """Names of the table's columns, and of those that identify a row ([]: none do)."""
    ((columns, key),) = session.rows(
        "select array(select c.name from pgtrickle._probe_columns(s.pgt_relid) c"
        " order by c.position),"
        " array(select jsonb_array_elements_text(p.plan #> '{identity,columns}'))"
        " from pgtrickle._find(%s) s left join pgtrickle.pgt_plans p using (pgt_id)",
        (name,),
    )
    return columns, key


def _taken_apart(session: Session, name: str, texts: list[str], columns: list[str]) -> list[Row]:
    """Rows given as text, column by column."""
    ((relation, fields),) = session.rows(
        "select format('%%I.%%I', s.pgt_schema, s.pgt_name),"
        " (select string_agg(format('(r).%%I::text', c.name), ', ' order by c.position)"
        " from pgtrickle._probe_columns(s.pgt_relid) c)"
        " from pgtrickle._find(%s) s",
        (name,),
    )
    fields, relation = fields.replace("%", "%%"), relation.replace("%", "%%")
    rows = session.rows(
        f"select array[{fields}] from (select t::{relation} as r, number"
        " from unnest(%s::text[]) with ordinality as given (t, number) offset 0) rows"
        " order by number",
        (texts,),
    )
    return [dict(zip(columns, values, strict=True)) for (values,) in rows]


def _paired(rows: Iterable[tuple[Row, int]], key: list[str]) -> Iterable[Difference]:
    """A missing and an extra row of one key are one row that differs."""
    groups: dict[object, tuple[list[Row], list[Row]]] = {}
    for number, (row, balance) in enumerate(rows):
        same = tuple(row.get(column) for column in key) if key else (number,)
        in_query, in_table = groups.setdefault(same, ([], []))
        (in_query if balance > 0 else in_table).extend([row] * (1 if key else abs(balance)))
    for in_query, in_table in groups.values():
        if in_query and in_table:
            yield Difference("different", in_query[0], in_table[0])
        elif in_query:
            yield Difference("missing", in_query[0], None, len(in_query))
        elif in_table:
            yield Difference("extra", None, in_table[0], len(in_table))
