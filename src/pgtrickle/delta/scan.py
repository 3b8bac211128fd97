"""Scan of a captured table.

    new(T)   = T
    δ(T)     = the captured rows, each with its sign
    old(T)   = T - δ(T)

`old` has no rule of its own: whatever joins it takes the two terms apart. One UNION ALL of them
would not do, for PostgreSQL does not look rows up by an index in a union of which one arm is a
common table expression, and scans the table instead.

A constant relation never changes, and has one state; or it reads the moment, and all its rows are
exchanged.
"""

from __future__ import annotations

from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.relation import WEIGHT, Relation, select, union_all
from pgtrickle.query.algebra import Constant, Domain, Scan
from pgtrickle.query.lowering import NotIncremental
from pgtrickle.query.names import quote_identifier, quote_name

CHANGE_WEIGHT = "__pgt_weight"


def changes_name(number: int) -> str:
    """The CTE that the runtime puts before a delta: the changes of one source."""
    return f"changes_{number}"


def _columns(node: Scan) -> list[str]:
    return [f"{quote_identifier(name)} AS {attribute.id}" for attribute, name in node.columns]


def _table(node: Scan, _: Maintenance) -> Relation:
    table = quote_name((node.schema, node.name))
    return Relation(select(_columns(node), f"FROM {table}"), node.ids, weighted=False)


def _delta(node: Scan, maintenance: Maintenance) -> Relation:
    changes = changes_name(maintenance.sources[node.relid])
    sql = select([*_columns(node), f"{CHANGE_WEIGHT} AS {WEIGHT}"], f"FROM {changes}")
    return Relation(sql, node.ids, weighted=True, is_shared=True)


def _constant(node: Constant, _: Maintenance) -> Relation:
    return Relation(node.sql, node.ids, weighted=False)


def _former_constant(node: Constant, _: Maintenance) -> Relation:
    return Relation(node.former or node.sql, node.ids, weighted=False)


def _constant_delta(node: Constant, _: Maintenance) -> Relation:
    """The rows that are not in both, as bags."""
    terms = [
        f"SELECT d.*, {weight} AS {WEIGHT} FROM (({a}) EXCEPT ALL ({b})) AS d"
        for a, b, weight in ((node.sql, node.former, 1), (node.former, node.sql, -1))
    ]
    return Relation(union_all(terms), node.ids, weighted=True)


def _domain(node: Domain, maintenance: Maintenance) -> Relation:
    """Enough for the types; a plan has none."""
    if not {attribute.id for attribute in node.around} <= frozenset(node.of.ids):
        raise NotIncremental("correlated subquery", "it reads a block further out")
    items = [f"d.{a.id} AS {b}" for a, b in zip(node.around, node.ids, strict=True)]
    block = maintenance.initial(node.of)
    return Relation(select(items, f"FROM {block.source('d')}"), node.ids, weighted=False)


def _never(_: Domain, __: Maintenance) -> Relation:
    raise ValueError("a domain was not put in its place")


SCAN = Rules(initial=_table, new=_table, old=None, delta=_delta)
CONSTANT = Rules(initial=_constant, new=_constant, old=_former_constant, delta=_constant_delta)
DOMAIN = Rules(initial=_domain, new=_never, old=_never, delta=_never)
