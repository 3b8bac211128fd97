"""The top of a plan: the root's delta is applied to the stream table.

The delta is first *netted* (`netting.py`): a row updated twice leaves only its net effect.

The groups of an aggregation at the top are applied as they are, without netting: each has one row
that was and one that is. Where the table shows all that carries the groups forward, it is its own
state table (`aggregate/visible.py`).

Otherwise, two kinds of identity:

* **key**: columns that are unique in the query. A key with a row gone and a row come is an update,
  which keeps the physical row and is HOT where no index is concerned. Where key columns may be
  NULL, or too long for an index, the index is on their hash.
* **row**: no key. Rows are found through an expression index on the hash of the whole row and
  rechecked by image; as many copies go as the delta says.

What goes, goes before others are updated, and that before anything comes: a user may have declared
values unique, which one row takes over from another. PostgreSQL runs the statements in any order
but for what one reads of another, so each asks for the count of the one before.

Every statement counts what it touched; a row that should have been there and was not makes the
outcome inconsistent, and the runtime recomputes.
"""

from __future__ import annotations

from pgtrickle.delta.aggregate import Grouped, grouped, touched_groups
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.netting import net_keys, net_rows
from pgtrickle.delta.relation import image, select
from pgtrickle.delta.target import Target, row_hash
from pgtrickle.query.algebra import Node

AFTER_GONE = "(SELECT count(*) FROM gone) >= 0"
AFTER_STAYED = "(SELECT count(*) FROM stayed) >= 0"
# At once: for few rows most of a statement's time is to start and end its nodes.
COUNTED = (
    "SELECT count(*) FILTER (WHERE t.did = 1) AS gone, count(*) FILTER (WHERE t.did = 2) AS stayed,"
    " count(*) FILTER (WHERE t.did = 3) AS come\n"
    "FROM (SELECT 1 AS did FROM gone\nUNION ALL SELECT 2 FROM stayed\n"
    "UNION ALL SELECT 3 FROM come) AS t"
)


def apply(root: Node, target: Target, maintenance: Maintenance) -> str:
    """The text of one variant: every CTE from the changes to ``outcome``."""
    groups = grouped(root, target)
    if groups is not None:
        expected = _by_group(groups, target, maintenance)
    elif target.key is None:
        expected = _by_row(target, net_rows(root, target, maintenance), maintenance)
    else:
        expected = _by_key(target, net_keys(root, target, maintenance), maintenance)
    checks = [expected, *(f"NOT EXISTS ({check})" for check in maintenance.checks)]
    outcome = select(
        [
            "n.come + n.stayed AS rows_inserted",
            "n.gone + n.stayed AS rows_deleted",
            " AND ".join(f"({check})" for check in checks) + " AS consistent",
        ],
        f"FROM (\n{COUNTED}\n) AS n",
    )
    return ",\n".join([*maintenance.ctes, *maintenance.changes, f"outcome AS (\n{outcome}\n)"])


def _by_group(groups: Grouped, target: Target, maintenance: Maintenance) -> str:
    touched = touched_groups(groups.node, maintenance)
    if id(groups.node) in maintenance.states.visible:
        there = f"t.ctid = f.__place AND {target.where_partitioned('t.tableoid = f.__part')}"
    else:
        there = target.same_key([f"f.o_{id}" for id in groups.ids])
    values = [
        f"(f.n_{id})::{column.type}" for id, column in zip(groups.ids, target.columns, strict=True)
    ]
    names = target.names()
    assignments = [f"{name} = {value}" for name, value in zip(names, values, strict=True)]
    maintenance.add_change(
        "gone",
        f"DELETE FROM {target.token} AS t USING {touched} AS f\n"
        f"WHERE f.__existed AND NOT f.__alive AND {there}\nRETURNING 1",
    )
    maintenance.add_change(
        "stayed",
        f"UPDATE {target.token} AS t SET {', '.join(assignments)} FROM {touched} AS f\n"
        f"WHERE {AFTER_GONE} AND f.__existed AND f.__alive AND NOT f.__same\n"
        f"AND {there}\nRETURNING 1",
    )
    maintenance.add_change(
        "come",
        f"INSERT INTO {target.token} ({', '.join(names)})\n"
        f"SELECT {', '.join(values)} FROM {touched} AS f\n"
        f"WHERE {AFTER_STAYED} AND NOT f.__existed AND f.__alive\nRETURNING 1",
    )
    return (
        "n.gone + n.stayed"
        f" = (SELECT count(*) FROM {touched} WHERE __existed AND NOT (__alive AND __same))"
    )


def _by_key(target: Target, netted: str, maintenance: Maintenance) -> str:
    assignments = ", ".join(f"{name} = n.v{i}" for i, name in enumerate(target.names(), start=1))
    there = target.same_key(target.values("n"))
    maintenance.add_change(
        "gone",
        f"DELETE FROM {target.token} AS t USING {netted} AS n WHERE n.w < 0 AND {there}\n"
        "RETURNING 1",
    )
    maintenance.add_change(
        "stayed",
        f"UPDATE {target.token} AS t SET {assignments} FROM {netted} AS n\n"
        f"WHERE {AFTER_GONE} AND n.w > 0 AND n.met AND {there}\nRETURNING 1",
    )
    maintenance.add_change(
        "come",
        f"INSERT INTO {target.token} ({', '.join(target.names())})\n"
        f"SELECT {', '.join(target.values('n'))} FROM {netted} AS n\n"
        f"WHERE {AFTER_STAYED} AND n.w > 0 AND NOT n.met\nRETURNING 1",
    )
    return f"n.gone + n.stayed = (SELECT count(*) FROM {netted} WHERE w < 0 OR met)"


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
        f"generate_series(1, n.w) WHERE {AFTER_GONE} AND n.w > 0\nRETURNING 1",
    )
    maintenance.add_cte("stayed", "SELECT WHERE false")
    return f"n.gone = (SELECT coalesce(- sum(w), 0) FROM {netted} WHERE w < 0)"
