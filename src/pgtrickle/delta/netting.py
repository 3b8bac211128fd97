"""What a delta comes to: rows that print alike are added up by weight.

So a row that is updated twice, or taken away by one term and given back by another, leaves its net
effect only. Rows are compared by their image, never by ``=``: 1.0 and 1.00 are different rows.

To print and to group every row costs as much as to write it. Where the table has a key, nearly all
keys have one change, or one row gone and one come. Those need no images: a pair that is the same,
byte for byte, is dropped, and any other is an update.
"""

from __future__ import annotations

from pgtrickle.delta.linear import changed
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.relation import WEIGHT, image, select, union_all
from pgtrickle.delta.target import Target
from pgtrickle.query.algebra import Node


def net_rows(root: Node, target: Target, maintenance: Maintenance) -> str:
    """CTE with columns rn, v1…vn and w, at most one row for each image."""
    rows = maintenance.add_cte(
        "delta",
        select(
            ["row_number() OVER () AS rn", "d.*"],
            f"FROM (\n{_changes(root, target, maintenance)}\n) AS d",
        ),
    )
    grouped = select(
        ["min(d.rn) AS rn", "sum(d.w) AS w"],
        f"FROM {rows} AS d",
        f"GROUP BY {image(target.values('d'))}",
        "HAVING sum(d.w) <> 0",
    )
    return maintenance.add_cte(
        "net",
        select(
            ["g.rn", *target.values("d"), "g.w"],
            f"FROM (\n{grouped}\n) AS g",
            f"JOIN {rows} AS d USING (rn)",
        ),
    )


def net_keys(root: Node, target: Target, maintenance: Maintenance) -> str:
    """CTE with columns v1…vn, w and met: what is to be done for each key.

    w < 0 says that the key's row goes, w > 0 that there is a new one, in the place of another where
    met is true. By windows and not by a join of the rows with themselves: nothing tells the planner
    how many there are, and a nested loop over ten thousand takes seconds.
    """
    keys = [f"v{i + 1}" for i in target.key or ()]
    row = f"ROW({', '.join(target.values('d'))})"
    rows = maintenance.add_cte(
        "delta",
        select(
            [
                "d.*",
                "count(*) OVER k AS changes",
                "sum(d.w) OVER k AS total",
                f"lag({row}) OVER k AS former",
            ],
            f"FROM (\n{_changes(root, target, maintenance)}\n) AS d",
            f"WINDOW k AS (PARTITION BY {', '.join(f'd.{key}' for key in keys)} ORDER BY d.w",
            "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
        ),
    )
    alone = "d.changes = 1 AND d.w IN (-1, 1)"
    pair = "d.changes = 2 AND d.total = 0 AND d.w IN (-1, 1)"
    simple = select(
        [*target.values("d"), "d.w", "d.changes = 2 AS met"],
        f"FROM {rows} AS d",
        f"WHERE {alone} OR ({pair} AND d.w = 1 AND NOT {row}::record *= d.former)",
    )
    # What is left is little. By windows, for a join with itself looks enormous to the planner.
    by_image = select(
        [*target.values("d"), "sum(d.w) OVER i AS w", "row_number() OVER i AS copy"],
        f"FROM {rows} AS d",
        f"WHERE NOT ({alone} OR ({pair}))",
        f"WINDOW i AS (PARTITION BY {image(target.values('d'))})",
    )
    by_key = select(
        ["n.*", "bool_or(n.w < 0) OVER k AS goes", "bool_or(n.w > 0) OVER k AS comes"],
        f"FROM (\n{by_image}\n) AS n",
        "WHERE n.copy = 1 AND n.w <> 0",
        f"WINDOW k AS (PARTITION BY {', '.join(f'n.{key}' for key in keys)})",
    )
    tangled = select(
        [*target.values("n"), "n.w", "n.goes AND n.comes AS met"],
        f"FROM (\n{by_key}\n) AS n",
        "WHERE n.w > 0 OR NOT n.comes",
    )
    return maintenance.add_cte("net", union_all([simple, tangled]))


def _changes(root: Node, target: Target, maintenance: Maintenance) -> str:
    """Select of the root's delta as v1…vn, of the types of the table's columns, and w."""
    delta = changed(root, maintenance)
    values = [
        f"({id})::{column.type} AS v{i}"
        for i, (id, column) in enumerate(zip(delta.ids, target.columns, strict=True), start=1)
    ]
    return select([*values, f"{WEIGHT} AS w"], f"FROM {delta.source('d')}")
