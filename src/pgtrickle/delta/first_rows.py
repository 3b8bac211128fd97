"""The first rows of partitions: LIMIT, DISTINCT ON and rank() <= n, computed and carried forward.

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

Of a window function whose rows are wanted up to a number the same is true: of rank() all peers of b
are kept, and a row after L others has a higher rank; row_number() is wanted so only where its order
is one of single rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgtrickle.delta.column_types import HASHED, type_of
from pgtrickle.delta.exchange import copies
from pgtrickle.delta.relation import WEIGHT, Relation, netted, select, union_all
from pgtrickle.query.algebra import Node, TopN, Window
from pgtrickle.query.expression import Column, Expression, Operator, SortKey, WindowSpec
from pgtrickle.query.render import render_expression, render_parts, sort_parts

RANK = "__rank"


def first_rows(node: TopN, keys: Sequence[str], keyed: Relation) -> str:
    """Select of the first rows of `keyed` for each combination of the `keys`."""
    limit = None if node.limit is None else render_expression(node.limit)
    offset = None if node.offset is None else render_expression(node.offset)
    order = _order(node.order_by)
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


def _order(order_by: Sequence[SortKey], *further: str) -> str:
    parts = [render_parts(sort_parts(order_by))] if order_by else []
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


@dataclass(frozen=True, slots=True)
class Cut:
    """That of each partition, in an order, the first `limit` rows are wanted.

    `number` is the column that tells a row's place, by `function`; None where nobody asks.
    """

    limit: int
    order_by: tuple[SortKey, ...]
    number: str | None = None
    function: str = "row_number"


def cut(node: Window | TopN) -> Cut | None:
    """The first rows that a node wants, where they may follow from those that were."""
    match node:
        case TopN(limit=Expression() as limit, offset=None, ties=False):
            first = _number(limit)
            return Cut(first, node.order_by) if first else None
        case Window(calls=((attribute, call),), where=Operator() as where):
            last = _last_wanted(where, attribute.id)
            numbering = call.name in (("row_number",), ("rank",)) and call.filter is None
            if last and numbering and isinstance(call.over, WindowSpec) and not call.over.frame:
                return Cut(last, call.over.order_by, attribute.id, call.name[0])
    return None


def _last_wanted(where: Operator, number: str) -> int:
    match where:
        case Operator(name=("<=",), left=Column(relation=None, name=name), right=limit):
            last = _number(limit)
        case Operator(name=("<",), left=Column(relation=None, name=name), right=limit):
            last = _number(limit) - 1
        case Operator(name=("=",), left=Column(relation=None, name=name), right=limit):
            last = 1 if _number(limit) == 1 else 0
        case _:
            return 0
    return max(last, 0) if name == number else 0


def _number(limit: Expression) -> int:
    """A whole number as it is spelled; 0 where it is none."""
    text = render_expression(limit)
    return int(text) if text.isdigit() else 0


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
    node: Window | TopN,
    change: Relation,
    stored: str,
    keys: Sequence[str],
    row_key: Sequence[str],
    hash: list[str],
    suffix: str,
) -> Carried | None:
    """How the first rows follow from those that were; None where more has to be known.

    `change`: the delta of the input with partition keys; `stored`: the CTE of the rows kept in the
    touched partitions; `row_key`: columns that tell rows of the input apart, if any do; `hash`:
    select item for the hash of the keys of an alias c, or none.
    """
    wanted = cut(node)
    if wanted is None:
        return None
    several, came, seen, short = (f"{letter}_{suffix}" for letter in "tevr")
    partition = f"PARTITION BY {', '.join(keys)}" if keys else ""
    order = _order(wanted.order_by)
    follows = f"{partition} {order} RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"
    reached = select(
        [
            "u.*",
            f"bool_or(u.__kept) OVER ({follows}) AS __reached",
            f"count(*) FILTER (WHERE u.__kept) OVER ({partition}) < {wanted.limit} AS __all",
        ],
        f"FROM ({_candidates(change.ids, row_key, stored, came)}) AS u",
    )
    grouped = f"GROUP BY {', '.join(f'c.{key}' for key in keys)}" if keys else ""
    missing = select(
        [*hash, *(f"c.{key}" for key in keys)] or ["1 AS one"],
        f"FROM {seen} AS c",
        grouped,
        "HAVING NOT bool_or(c.__all)"
        f" AND count(*) FILTER (WHERE c.__here AND c.__reached) < {wanted.limit}",
    )
    within = order if wanted.function == "rank" else _order(wanted.order_by, "NOT __kept")
    numbered = select(
        [
            *change.ids,
            f"{wanted.function}() OVER ({partition} {within}) AS __place",
            f"__all OR count(*) OVER ({partition}) >= {wanted.limit} AS __known",
        ],
        f"FROM {seen}",
        "WHERE __here AND (__reached OR __all)",
    )
    number = [f"__place AS {wanted.number}"] if wanted.number else []
    own, added = change.ids[: len(node.child.ids)], change.ids[len(node.child.ids) :]
    rows = select(
        [*own, *number, *added],
        f"FROM ({numbered}) AS n",
        f"WHERE __known AND __place <= {wanted.limit}",
    )
    entering = [(came, _by_image(change))]
    if row_key:
        often = _changed_often(node.child, change, row_key)
        entering = [(several, often), (came, _by_key(change, row_key, several))]
    return Carried((*entering, (seen, reached), (short, missing)), rows, short)


def _changed_often(child: Node, change: Relation, row_key: Sequence[str]) -> str:
    """The keys that more than one row left, or came to; or one row both, as if it had not been.

    That a row which left and one which came are two is seen by a hash of what has one.
    """
    hashed = [
        f"c.{id}"
        for id in child.ids
        if id not in row_key and type_of(Column(None, id), child) in HASHED
    ]
    keys = [f"c.{id}" for id in row_key]
    hash = f"hash_record_extended(ROW({', '.join(hashed)}), 0)" if hashed else "0"
    rows = select([*keys, f"c.{WEIGHT}", f"{hash} AS __h"], f"FROM {change.source('c')}")
    two = f"count(*) = 2 AND sum(c.{WEIGHT}) = 0 AND min(c.__h) <> max(c.__h)"
    once = f"max(abs(c.{WEIGHT})) = 1 AND (count(*) = 1 OR ({two}))"
    return select(keys, f"FROM ({rows}) AS c", f"GROUP BY {', '.join(keys)} HAVING NOT ({once})")


def _by_key(change: Relation, row_key: Sequence[str], several: str) -> str:
    """What changed in sum: of few keys only does that take a look at the rows themselves."""
    same = " AND ".join(f"t.{id} = c.{id}" for id in row_key)
    often = f"EXISTS (SELECT FROM {several} AS t WHERE {same})"
    items = [*(f"c.{id}" for id in change.ids), f"c.{WEIGHT}"]
    once = select(items, f"FROM {change.source('c')} WHERE NOT {often}")
    tangled = select(items, f"FROM {change.source('c')} WHERE {often}")
    return union_all([once, netted(Relation(tangled, change.ids, weighted=True)).sql])


def _by_image(change: Relation) -> str:
    """What changed in sum, of rows that have no key."""
    items = [*(f"e.{id}" for id in change.ids), f"e.{WEIGHT}"]
    items += copies(change.ids, "e", f"e.{WEIGHT}")
    return select(items, f"FROM {netted(change).source('e')}")


def _candidates(columns: Sequence[str], row_key: Sequence[str], stored: str, came: str) -> str:
    """What was kept, and whether it is still here; and what came."""
    kept = select(
        [*(f"s.{id}" for id in columns), *([] if row_key else copies(columns, "s"))],
        f"FROM {stored} AS s",
    )
    same = " AND ".join(f"e.{id} = o.{id}" for id in row_key or ("__image", "__copy"))
    # Not asked by EXISTS: among many changes that is answered row by row.
    gone = f"LEFT JOIN {came} AS e ON e.{WEIGHT} < 0 AND {same}"
    return union_all(
        [
            select(
                [*(f"o.{id}" for id in columns), "true AS __kept", f"e.{WEIGHT} IS NULL AS __here"],
                f"FROM ({kept}) AS o {gone}",
            ),
            select(
                [*(f"e.{id}" for id in columns), "false AS __kept", "true AS __here"],
                f"FROM {came} AS e WHERE e.{WEIGHT} > 0",
            ),
        ]
    )
