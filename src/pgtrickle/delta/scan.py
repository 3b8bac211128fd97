"""Scan of a captured table.

    new(T)   = T
    δ(T)     = the captured rows, each with its sign
    old(T)   = T + (captured rows with the opposite sign)

`old` is one UNION ALL whose arms have exactly equal types: PostgreSQL then flattens it and a
join still reaches T through its indexes.

A relation that never changes has no delta, and one state.
"""

from __future__ import annotations

from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.relation import WEIGHT, Relation, select, union_all
from pgtrickle.query.algebra import Constant, Scan
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


def _old(node: Scan, maintenance: Maintenance) -> Relation:
    table = quote_name((node.schema, node.name))
    changes = changes_name(maintenance.sources[node.relid])
    sql = union_all(
        [
            select([*_columns(node), f"1 AS {WEIGHT}"], f"FROM {table}"),
            select([*_columns(node), f"- {CHANGE_WEIGHT} AS {WEIGHT}"], f"FROM {changes}"),
        ]
    )
    return Relation(sql, node.ids, weighted=True)


def _delta(node: Scan, maintenance: Maintenance) -> Relation:
    changes = changes_name(maintenance.sources[node.relid])
    sql = select([*_columns(node), f"{CHANGE_WEIGHT} AS {WEIGHT}"], f"FROM {changes}")
    return Relation(sql, node.ids, weighted=True)


def _constant(node: Constant, _: Maintenance) -> Relation:
    return Relation(node.sql, node.ids, weighted=False)


SCAN = Rules(initial=_table, new=_table, old=_old, delta=_delta)
CONSTANT = Rules(initial=_constant, new=_constant, old=_constant, delta=_constant)
