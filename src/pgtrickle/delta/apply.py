"""The top of a plan: the root's delta is applied to the stream table.

The delta is first *netted*: rows that print alike are added up by weight, so that a row updated
twice, or taken away by one term and given back by another, leaves only its net effect. Rows are
compared by their image, never by ``=``: 1.0 and 1.00 are different rows.

The groups of an aggregation at the top are applied as they are, without netting: each has one row
that was and one that is. Where the table shows all that carries the groups forward, it is its own
state table (`aggregate/visible.py`).

Otherwise, two kinds of identity:

* **key**: columns that are unique in the query. A key with a row gone and a row come is an update,
  which keeps the physical row and is HOT where no index is concerned. Where key columns may be
  NULL, or too long for an index, the index is on their hash.
* **row**: no key. Rows are found through an expression index on the hash of the whole row and
  rechecked by image; as many copies go as the delta says.

Every statement counts what it touched; a row that should have been there and was not makes the
outcome inconsistent, and the runtime recomputes.
"""

from __future__ import annotations

from pgtrickle.delta.aggregate import Grouped, grouped, touched_groups
from pgtrickle.delta.linear import changed
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.relation import WEIGHT, image, select
from pgtrickle.delta.target import Target, row_hash
from pgtrickle.query.algebra import Aggregate, Filter, Node, Project


def apply(root: Node, target: Target, maintenance: Maintenance) -> str:
    """The text of one variant: every CTE from the changes to ``outcome``."""
    groups = grouped(root, target)
    if groups is not None:
        expected = _by_group(groups, target, maintenance)
    elif target.key is None:
        expected = _by_row(target, _net(root, target, maintenance), maintenance)
    else:
        expected = _by_key(target, _net(root, target, maintenance), maintenance)
    checks = [expected, *(f"NOT EXISTS ({check})" for check in maintenance.checks)]
    outcome = select(
        [
            "(SELECT count(*) FROM come) + (SELECT count(*) FROM stayed) AS rows_inserted",
            "(SELECT count(*) FROM gone) + (SELECT count(*) FROM stayed) AS rows_deleted",
            " AND ".join(f"({check})" for check in checks) + " AS consistent",
        ]
    )
    return ",\n".join([*maintenance.ctes, *maintenance.changes, f"outcome AS (\n{outcome}\n)"])


def _by_group(groups: Grouped, target: Target, maintenance: Maintenance) -> str:
    touched = touched_groups(groups.node, maintenance)
    place = touched
    if id(groups.node) not in maintenance.states.visible:
        found = target.same_key([f"f.o_{id}" for id in groups.ids])
        place = maintenance.add_cte(
            "located",
            select(
                ["f.*", "t.ctid AS __place", "t.tableoid AS __part"],
                f"FROM {touched} AS f JOIN {target.token} AS t ON {found}",
                "WHERE f.__existed",
            ),
        )
    values = [
        f"(f.n_{id})::{column.type}" for id, column in zip(groups.ids, target.columns, strict=True)
    ]
    names = target.names()
    assignments = [f"{name} = {value}" for name, value in zip(names, values, strict=True)]
    there = f"t.ctid = f.__place AND {target.where_partitioned('t.tableoid = f.__part')}"
    maintenance.add_change(
        "gone",
        f"DELETE FROM {target.token} AS t USING {place} AS f\n"
        f"WHERE f.__existed AND NOT f.__alive AND {there}\nRETURNING 1",
    )
    maintenance.add_change(
        "stayed",
        f"UPDATE {target.token} AS t SET {', '.join(assignments)} FROM {place} AS f\n"
        f"WHERE f.__existed AND f.__alive AND NOT f.__same AND {there}\nRETURNING 1",
    )
    maintenance.add_change(
        "come",
        f"INSERT INTO {target.token} ({', '.join(names)})\n"
        f"SELECT {', '.join(values)} FROM {touched} AS f\n"
        "WHERE NOT f.__existed AND f.__alive\nRETURNING 1",
    )
    return (
        "(SELECT count(*) FROM gone) + (SELECT count(*) FROM stayed)"
        f" = (SELECT count(*) FROM {touched} WHERE __existed AND NOT (__alive AND __same))"
    )


def _net(root: Node, target: Target, maintenance: Maintenance) -> str:
    """CTE with columns v1…vn and w, at most one row for each image."""
    delta = changed(root, maintenance)
    values = [
        f"({id})::{column.type} AS v{i}"
        for i, (id, column) in enumerate(zip(delta.ids, target.columns, strict=True), start=1)
    ]
    if target.key is not None and _one_per_key(root):
        sql = select([*values, f"{WEIGHT} AS w"], f"FROM {delta.source('d')}")
        return _with_directions(target, sql, maintenance)
    raw = maintenance.add_cte(
        "delta",
        select(["row_number() OVER () AS rn", *values, WEIGHT], f"FROM {delta.source('d')}"),
    )
    grouped = select(
        ["min(rn) AS rn", f"sum({WEIGHT}) AS w"],
        f"FROM {raw}",
        f"GROUP BY {image(f'v{i}' for i in range(1, len(target.columns) + 1))}",
        f"HAVING sum({WEIGHT}) <> 0",
    )
    sql = select(
        ["g.rn", *target.values("d"), "g.w"],
        f"FROM (\n{grouped}\n) AS g",
        f"JOIN {raw} AS d USING (rn)",
    )
    return _with_directions(target, sql, maintenance)


def _with_directions(target: Target, netted: str, maintenance: Maintenance) -> str:
    """CTE of the netted rows; with a key, whether a row of that key goes, and whether one comes.

    By a window and not by a join of the rows with themselves: nothing tells the planner how many
    there are, and a nested loop over ten thousand takes seconds.
    """
    if target.key is None:
        return maintenance.add_cte("net", netted)
    keys = ", ".join(f"n.v{i + 1}" for i in target.key)
    sql = select(
        ["n.*", "bool_or(n.w < 0) OVER k AS goes", "bool_or(n.w > 0) OVER k AS comes"],
        f"FROM (\n{netted}\n) AS n",
        f"WINDOW k AS (PARTITION BY {keys})",
    )
    return maintenance.add_cte("net", sql)


def _one_per_key(root: Node) -> bool:
    """Whether the root's delta has at most one row gone and one come for each key."""
    while type(root) in (Project, Filter):
        (root,) = root.children
    return isinstance(root, Aggregate)


def _by_key(target: Target, netted: str, maintenance: Maintenance) -> str:
    located = _located(target, netted, maintenance)
    assignments = ", ".join(f"{name} = n.v{i}" for i, name in enumerate(target.names(), start=1))
    there = target.where_partitioned("t.tableoid = n.part")
    maintenance.add_change(
        "gone",
        f"DELETE FROM {target.token} AS t USING {located} AS n\n"
        f"WHERE n.w < 0 AND t.ctid = n.place AND {there} AND NOT n.comes\nRETURNING 1",
    )
    maintenance.add_change(
        "stayed",
        f"UPDATE {target.token} AS t SET {assignments} FROM {located} AS n\n"
        f"WHERE n.w > 0 AND t.ctid = n.place AND {there} AND n.goes\nRETURNING 1",
    )
    maintenance.add_change(
        "come",
        f"INSERT INTO {target.token} ({', '.join(target.names())})\n"
        f"SELECT {', '.join(target.values('n'))} FROM {netted} AS n\n"
        "WHERE n.w > 0 AND NOT n.goes\nRETURNING 1",
    )
    return (
        "(SELECT count(*) FROM gone) + (SELECT count(*) FROM stayed)"
        f" = (SELECT count(*) FROM {netted} WHERE w < 0)"
    )


def _located(target: Target, netted: str, maintenance: Maintenance) -> str:
    """CTE of the netted rows whose key is in the table, with their `place` there."""
    sql = select(
        ["n.*", "t.ctid AS place", "t.tableoid AS part"],
        f"FROM {netted} AS n JOIN {target.token} AS t ON {target.same_key(target.values('n'))}",
    )
    return maintenance.add_cte("located", sql)


def _by_row(target: Target, netted: str, maintenance: Maintenance) -> str:
    # By images as the netting, and not by *=: NaN has two forms that print alike.
    found = select(
        [
            "t.ctid AS place",
            "t.tableoid AS part",
            "row_number() OVER (PARTITION BY n.rn) AS copy",
            "- n.w AS copies",
        ],
        f"FROM {netted} AS n JOIN {target.token} AS t",
        f"ON {row_hash(target, target.names('t'))} = {row_hash(target, target.values('n'))}",
        f"AND {image(target.names('t'))} = {image(target.values('n'))}",
        "WHERE n.w < 0",
    )
    victims = maintenance.add_cte(
        "victims", f"SELECT f.place, f.part FROM (\n{found}\n) AS f WHERE f.copy <= f.copies"
    )
    there = f"(t.tableoid, t.ctid) IN (SELECT v.part, v.place FROM {victims} AS v)"
    maintenance.add_change(
        "gone",
        f"DELETE FROM {target.token} AS t WHERE t.ctid = ANY (ARRAY(\n"
        f"SELECT v.place FROM {victims} AS v)) AND {target.where_partitioned(there)}\nRETURNING 1",
    )
    maintenance.add_change(
        "come",
        f"INSERT INTO {target.token} ({', '.join(target.names())})\n"
        f"SELECT {', '.join(target.values('n'))} FROM {netted} AS n,\n"
        "generate_series(1, n.w) WHERE n.w > 0\nRETURNING 1",
    )
    maintenance.add_cte("stayed", "SELECT WHERE false")
    return f"(SELECT count(*) FROM gone) = (SELECT coalesce(- sum(w), 0) FROM {netted} WHERE w < 0)"
