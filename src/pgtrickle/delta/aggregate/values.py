"""Single values of an aggregate's argument: how many rows of each there are, and came or went.

For an aggregate x of the state table n, these are the common table expressions

    v_n_x   by how much the number of rows of each value changed, in each group
    y_n_x   where the numbers are kept: what each was, and is
    z_n_x   how many values each group gained or lost
"""

from __future__ import annotations

from pgtrickle.delta.accumulators import Values
from pgtrickle.delta.aggregate.analysis import VALUE, Analysis, group_by, state_of
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.relation import WEIGHT, Relation, select
from pgtrickle.query.algebra import Aggregate


def value_counts(analysis: Analysis, values: Values, keyed: Relation) -> str:
    """How many rows each value of an argument has in each group."""
    of_rows = values_of(analysis, values, keyed)
    by_value = analysis.by_value[values.id]
    keys = [f"c.{key}" for key in (*analysis.keys, VALUE)]
    return select(
        [*by_value.hash_column("c"), *keys, "count(*) AS n"],
        f"FROM {of_rows.source('c')}",
        f"GROUP BY {', '.join(keys)}",
    )


def values_of(analysis: Analysis, values: Values, keyed: Relation) -> Relation:
    """The group keys and the argument of the rows that count."""
    ids = (*analysis.keys, VALUE)
    weight = [f"k.{WEIGHT}"] if keyed.weighted else []
    items = [*(f"k.{key}" for key in analysis.keys), f"{values.argument} AS {VALUE}", *weight]
    where = f"WHERE {values.condition}" if values.condition else ""
    return Relation(select(items, f"FROM {keyed.source('k')}", where), ids, keyed.weighted)


def join_values(node: Aggregate, values: Values, keyed: Relation, maintenance: Maintenance) -> str:
    """The join that adds ``v_<id>`` to the changes ``g`` and the state ``s`` of the groups."""
    analysis, state = state_of(node, maintenance)
    matching, by_value = analysis.matching, analysis.by_value[values.id]
    name = f"{state.suffix}_{values.id}"
    keys = [f"c.{key}" for key in (*analysis.keys, VALUE)]
    chosen = by_value if values.stored else matching
    net = maintenance.add_cte(
        f"v_{name}",
        select(
            [*chosen.hash_column("c"), *keys, f"sum({WEIGHT}) AS n"],
            f"FROM {values_of(analysis, values, keyed).source('c')}",
            f"GROUP BY {', '.join(keys)}",
            f"HAVING sum({WEIGHT}) <> 0",
        ),
    )
    if values.stored:
        net = _count_values(node, values, net, name, maintenance)
        condition = matching.same(values.alias, "g")
    else:
        same = matching.same(values.alias, "g")
        condition = f"{same} AND {values.alias}.{VALUE} = {values.wanted}"
    return f"LEFT JOIN {net} AS {values.alias} ON {condition}"


def _count_values(
    node: Aggregate, values: Values, net: str, name: str, maintenance: Maintenance
) -> str:
    """CTE of how many values each group gained or lost; the counts are brought up to date."""
    analysis, _ = state_of(node, maintenance)
    by_value = analysis.by_value[values.id]
    table = maintenance.states.tables[id(node), values.id].qualified
    counted = maintenance.add_cte(
        f"y_{name}",
        select(
            ["c.*", "s.n AS before", "coalesce(s.n, 0) + c.n AS after"],
            f"FROM {net} AS c LEFT JOIN {table} AS s ON {by_value.same('s', 'c')}",
        ),
    )
    maintenance.checks.append(f"SELECT FROM {counted} AS c WHERE c.after < 0")
    maintenance.add_change(
        f"{counted}_u",
        f"UPDATE {table} AS s SET n = c.after FROM {counted} AS c "
        f"WHERE {by_value.same('s', 'c')} AND c.before > 0 AND c.after > 0",
    )
    maintenance.add_change(
        f"{counted}_d",
        f"DELETE FROM {table} AS s USING {counted} AS c "
        f"WHERE {by_value.same('s', 'c')} AND c.before > 0 AND c.after <= 0",
    )
    names = ", ".join(by_value.columns)
    maintenance.add_change(
        f"{counted}_i",
        f"INSERT INTO {table} ({names}, n) SELECT {names}, after FROM {counted} "
        "WHERE before IS NULL AND after > 0",
    )
    keys = [f"c.{key}" for key in analysis.keys]
    came = "CASE WHEN c.before IS NULL THEN 1 WHEN c.after <= 0 THEN -1 ELSE 0 END"
    numbers = [f"sum({came}) AS n"]
    if values.summed:
        x = f"c.{VALUE}::numeric"
        signed = f"CASE {came} WHEN 1 THEN {x} WHEN -1 THEN - {x} END"
        numbers.append(f"sum({signed}) AS s")
    return maintenance.add_cte(
        f"z_{name}",
        select(
            [*analysis.matching.hash_column("c"), *keys, *numbers],
            f"FROM {counted} AS c",
            group_by(analysis, "c"),
        ),
    )
