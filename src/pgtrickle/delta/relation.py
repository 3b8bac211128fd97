"""SQL relations under construction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

WEIGHT = "__w"


@dataclass(frozen=True, slots=True)
class Relation:
    """A SELECT whose columns are `ids`, followed by the weight when `weighted`.

    `is_shared`: it only reads a common table expression, so reading it again costs nothing.
    """

    sql: str
    ids: tuple[str, ...]
    weighted: bool
    is_shared: bool = False

    def weights(self, alias: str) -> str:
        """The row's weight as SQL, for a relation in FROM under `alias`."""
        return f"{alias}.{WEIGHT}" if self.weighted else "1"

    def source(self, alias: str) -> str:
        """This relation as a FROM item."""
        return f"({self.sql}) AS {alias}"


def select(items: Iterable[str], *clauses: str) -> str:
    """``SELECT items clause clause …``; an empty select list is legal SQL."""
    head = "SELECT " + ", ".join(items)
    return "\n".join([head.rstrip(), *(clause for clause in clauses if clause)])


def is_null(value: str) -> str:
    """Whether a value is NULL as a whole; IS NULL looks into a row and asks for each field."""
    return f"{value} IS NOT DISTINCT FROM NULL"


def is_not_null(value: str) -> str:
    """Whether a value is not NULL as a whole, whatever the fields of a row are."""
    return f"{value} IS DISTINCT FROM NULL"


def union_all(parts: Iterable[str]) -> str:
    """Bag union of selects."""
    return "\nUNION ALL\n".join(parts)


def taken_for_several(relation: Relation) -> str:
    """The relation's rows, which the planner takes for ten at least.

    It knows nothing of what changes hold, and where it takes them for one row it joins them with a
    whole relation by a nested loop. That costs as much as a hash of it for one row, and for three
    hundred three hundred times as much. What is looked up by an index stays so.

    The other side of the join is empty, and an array of unknown length is taken for ten elements.
    (UNION ALL with as many rows of NULLs would make base types of domains.)
    """
    none = "unnest(ARRAY(SELECT 1 WHERE false)) AS n ON false"
    return select(["d.*"], f"FROM {relation.source('d')}", f"FULL JOIN {none}")


def same_rows(a: Iterable[str], b: Iterable[str]) -> str:
    """Whether two rows are the same byte for byte.

    Of a domain and its base type, which a union of changes makes of it, both are that: rows of
    unlike types are not compared. (PostgreSQL knows when it plans what is the case.)
    """
    pairs = list(zip(a, b, strict=True))
    rows = (
        ", ".join(f"CASE WHEN true THEN {pair[i]} ELSE {pair[1 - i]} END" for pair in pairs)
        for i in (0, 1)
    )
    return " *= ".join(f"ROW({row})::record" for row in rows)


def netted(relation: Relation) -> Relation:
    """A weighted relation in which no row is both added and taken away."""
    rows = select(
        ["x.*", f"sum(x.{WEIGHT}) OVER same AS __total", "row_number() OVER same AS __number"],
        f"FROM {relation.source('x')}",
        f"WINDOW same AS (PARTITION BY {image(f'x.{id}' for id in relation.ids)})",
    )
    sql = select(
        [*relation.ids, f"CASE WHEN __total > 0 THEN 1 ELSE -1 END AS {WEIGHT}"],
        f"FROM ({rows}) AS n",
        "WHERE __number <= abs(__total)",
    )
    return Relation(sql, relation.ids, weighted=True)


def image(columns: Iterable[str]) -> str:
    """What a row prints as: two rows are the same row when their images are equal."""
    return f'ROW({", ".join(columns)})::text COLLATE "C"'
