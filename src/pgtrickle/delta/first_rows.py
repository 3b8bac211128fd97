"""The first rows of partitions: LIMIT and DISTINCT ON, computed and carried forward.

The rows that were kept, and what changed, tell the first rows anew where enough of them stand no
later than the last one kept did. For a partition that had L rows kept, L being the limit, let b be
the last of them. What was not kept stands at b or after it, so of the input now

    before b    all rows are known: those kept, less what went, and what came
    beside b    some are: those kept, less what went, and what came; any may be taken
    after b     only some are

and if L rows are known before or beside b, the first L of these are an answer. Otherwise rows are
missing that only the input has, and the partition is computed again. Of a partition that had fewer
than L rows kept, all its rows are known.

A row that went may have copies that were not kept. It is taken from those that were, which can
only make them too few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgtrickle.delta.relation import WEIGHT, Relation, image, netted, select, union_all
from pgtrickle.query.algebra import TopN
from pgtrickle.query.render import render_expression, render_parts, sort_parts

RANK = "__rank"


def first_rows(node: TopN, keys: Sequence[str], keyed: Relation) -> str:
    """Select of the first rows of `keyed` for each combination of the `keys`."""
    limit = None if node.limit is None else render_expression(node.limit)
    offset = None if node.offset is None else render_expression(node.offset)
    order = _order(node)
    if not keys:
        tail = [order]
        tail += [f"OFFSET {offset}"] if offset else []
        if limit:
            tail.append(f"FETCH FIRST ({limit}) ROWS WITH TIES" if node.ties else f"LIMIT {limit}")
        return select([f"t.{id}" for id in keyed.ids], f"FROM {keyed.source('t')}", *tail)
    partition = ", ".join(f"t.{key}" for key in keys)
    function = "rank()" if node.ties else "row_number()"
    ranked = select(
        ["t.*", f"{function} OVER (PARTITION BY {partition} {order}) AS {RANK}"]
        + ([f"row_number() OVER (PARTITION BY {partition} {order}) AS __number"] if offset else []),
        f"FROM {keyed.source('t')}",
    )
    conditions = []
    if limit is not None:
        conditions.append(_within(f"t.{RANK}", limit, offset))
    if offset is not None:
        conditions.append(f"t.__number > coalesce({_whole(offset)}, 0)")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return select([f"t.{id}" for id in keyed.ids], f"FROM ({ranked}) AS t", where)


def _order(node: TopN, *further: str) -> str:
    parts = [render_parts(sort_parts(node.order_by))] if node.order_by else []
    return f"ORDER BY {', '.join([*parts, *further])}" if parts or further else ""


def _within(place: str, limit: str, offset: str | None) -> str:
    """Whether a row's place is one of the first: all are, where the limit is NULL."""
    if offset is not None:
        place = f"{place} - coalesce({_whole(offset)}, 0)"
    within = f"{place} <= {_whole(limit)}"
    return within if limit.isdigit() else f"({_whole(limit)} IS NULL OR {within})"


def _whole(number: str) -> str:
    """A number of rows as LIMIT takes it: rounded."""
    return number if number.isdigit() else f"({number})::bigint"


def can_be_carried(node: TopN) -> bool:
    """Whether first rows may follow from those that were: so many of all, ties cut off."""
    limit = "" if node.limit is None else render_expression(node.limit)
    return limit.isdigit() and int(limit) > 0 and node.offset is None and not node.ties


@dataclass(frozen=True, slots=True)
class Carried:
    """CTEs that carry first rows forward, as (name, select) in order.

    `rows`: select of the first rows of the partitions that are known; `short`: the CTE of the keys
    of those that are to be computed again.
    """

    ctes: tuple[tuple[str, str], ...]
    rows: str
    short: str


def carry_forward(
    node: TopN, change: Relation, stored: str, keys: Sequence[str], hash: list[str], suffix: str
) -> Carried | None:
    """How the first rows follow from those that were; None where more has to be known.

    `change`: the delta of the input with partition keys; `stored`: the CTE of the rows kept in the
    touched partitions, numbered among equal ones (`__image`, `__copy`); `hash`: select item for the
    hash of the keys of an alias c, or none.
    """
    if node.limit is None or not can_be_carried(node):
        return None
    limit = render_expression(node.limit)
    came = f"e_{suffix}"
    seen = f"v_{suffix}"
    short = f"r_{suffix}"
    columns = change.ids
    same_image = image(f"e.{id}" for id in columns)
    entering = select(
        [
            *(f"e.{id}" for id in columns),
            f"e.{WEIGHT}",
            f"{same_image} AS __image",
            f"row_number() OVER (PARTITION BY {same_image}, e.{WEIGHT}) AS __copy",
        ],
        f"FROM {netted(change).source('e')}",
    )
    gone = (
        f"EXISTS (SELECT FROM {came} AS e WHERE e.{WEIGHT} < 0"
        " AND e.__image = o.__image AND e.__copy = o.__copy)"
    )
    candidates = union_all(
        [
            select(
                [*(f"o.{id}" for id in columns), "true AS __kept", f"NOT {gone} AS __here"],
                f"FROM {stored} AS o",
            ),
            select(
                [*(f"e.{id}" for id in columns), "false AS __kept", "true AS __here"],
                f"FROM {came} AS e WHERE e.{WEIGHT} > 0",
            ),
        ]
    )
    partition = f"PARTITION BY {', '.join(keys)}" if keys else ""
    follows = f"{partition} {_order(node)} RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"
    reached = select(
        [
            "u.*",
            f"bool_or(u.__kept) OVER ({follows}) AS __reached",
            f"count(*) FILTER (WHERE u.__kept) OVER ({partition}) < {limit} AS __all",
        ],
        f"FROM ({candidates}) AS u",
    )
    grouped = f"GROUP BY {', '.join(f'c.{key}' for key in keys)}" if keys else ""
    missing = select(
        [*hash, *(f"c.{key}" for key in keys)] or ["1 AS one"],
        f"FROM {seen} AS c",
        grouped,
        "HAVING NOT bool_or(c.__all)"
        f" AND count(*) FILTER (WHERE c.__here AND c.__reached) < {limit}",
    )
    numbered = select(
        [
            *columns,
            f"row_number() OVER ({partition} {_order(node, 'NOT __kept')}) AS __place",
            f"__all OR count(*) OVER ({partition}) >= {limit} AS __known",
        ],
        f"FROM {seen}",
        "WHERE __here AND (__reached OR __all)",
    )
    rows = select(columns, f"FROM ({numbered}) AS n", f"WHERE __known AND __place <= {limit}")
    return Carried(((came, entering), (seen, reached), (short, missing)), rows, short)
