"""What goes of the stored rows of an operator, and what comes, where it was computed again.

Rows that have a key are joined by it, and compared byte for byte. All others are printed: those
that print alike are the same row, the first of them the first, and so on. To print and to sort them
takes four times as long.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.relation import image, is_not_null, same_rows, select

PLACE = "__place"
MOST_COLUMNS = 800
"""Of rows that are joined with what they were: a select list has at most 1,664 items."""


def copies(columns: Sequence[str], alias: str, *further: str) -> list[str]:
    """Select items: a row's image, and its number among those with the same."""
    same = image(f"{alias}.{id}" for id in columns)
    number = f"row_number() OVER (PARTITION BY {', '.join([same, *further])}) AS __copy"
    return [f"{same} AS __image", number]


def exchanged(
    stored: str,
    fresh: str,
    columns: Sequence[str],
    key: Sequence[str],
    hash: Sequence[str],
    suffix: str,
    maintenance: Maintenance,
) -> tuple[str, str]:
    """Add the CTEs g_n, stored rows that go with their place, and c_n, fresh ones that come.

    `stored` and `fresh` have the `columns`, the one `PLACE` besides and the other `hash`. Without a
    `key` both have `copies`.
    """
    if not key:
        same = "b.__image = o.__image AND b.__copy = o.__copy"
        gone = select(["o.*"], f"FROM {stored} AS o", _without(fresh, "b", same))
        come = select(["b.*"], f"FROM {fresh} AS b", _without(stored, "o", same))
        return maintenance.add_cte(f"g_{suffix}", gone), maintenance.add_cte(f"c_{suffix}", come)
    same = same_rows([f"o.{id}" for id in columns], [f"b.{id}" for id in columns])
    both = maintenance.add_cte(
        f"x_{suffix}",
        select(
            [
                f"o.{PLACE}",
                *(f"o.{id} AS o_{id}" for id in columns),
                *(f"b.{column}" for column in (*hash, *columns)),
            ],
            f"FROM {stored} AS o",
            f"FULL JOIN {fresh} AS b ON {' AND '.join(f'b.{id} = o.{id}' for id in key)}",
            f"WHERE NOT {same}",
        ),
    )
    gone = select(
        [f"x.{PLACE}", *(f"x.o_{id} AS {id}" for id in columns)],
        f"FROM {both} AS x WHERE x.{PLACE} IS NOT NULL",
    )
    come = select(
        [f"x.{column}" for column in (*hash, *columns)],
        f"FROM {both} AS x WHERE {is_not_null(f'x.{key[0]}')}",
    )
    return maintenance.add_cte(f"g_{suffix}", gone), maintenance.add_cte(f"c_{suffix}", come)


def _without(other: str, alias: str, same: str) -> str:
    return f"WHERE NOT EXISTS (SELECT FROM {other} AS {alias} WHERE {same})"
