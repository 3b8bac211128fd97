"""Single values of an aggregate's argument: how many rows of each there are, and came or went.

For an aggregate x of the state table n, these are the common table expressions

    v_n_x   by how much the number of rows of each value changed, in each group
    w_n_x   where the numbers are not kept: the groups in which that matters
    y_n_x   where the numbers are kept: what each was, and is
    z_n_x   how many values each group gained or lost
"""

from __future__ import annotations

from pgtrickle.delta.accumulators import Values
from pgtrickle.delta.aggregate.analysis import VALUE, Analysis, group_by, state_of
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.relation import WEIGHT, Relation, select, union_all
from pgtrickle.delta.restriction import Matching, restrict
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


def join_values(
    node: Aggregate, keyed: Relation, groups: str, maintenance: Maintenance
) -> list[str]:
    """The joins that add ``v_<id>`` to the changes ``g`` and the state ``s`` of the groups."""
    analysis, state = state_of(node, maintenance)
    found = [each.values for _, each in analysis.accumulators if each.values is not None]
    joins, counted = [], dict[tuple[str, str], str]()
    for values in found:
        same = analysis.matching.same(values.alias, "g")
        if values.stored:
            name = f"{state.suffix}_{values.id}"
            by_value = analysis.by_value[values.id]
            net = _net(analysis, by_value, values, keyed, name, maintenance)
            changed = _count_values(node, values, net, name, maintenance)
            joins.append(f"LEFT JOIN {changed} AS {values.alias} ON {same}")
            continue
        alike = (values.argument, values.condition)
        if alike not in counted:
            concerns = [
                other.concern
                for other in found
                if not other.stored and (other.argument, other.condition) == alike
            ]
            concerned = _concerned(node, keyed, groups, values.id, concerns, maintenance)
            name = f"{state.suffix}_{values.id}"
            counted[alike] = _net(analysis, analysis.matching, values, concerned, name, maintenance)
        joins.append(
            f"LEFT JOIN {counted[alike]} AS {values.alias}"
            f" ON {same} AND {values.alias}.{VALUE} = {values.wanted}"
        )
    return joins


def _concerned(
    node: Aggregate,
    keyed: Relation,
    groups: str,
    id: str,
    concerns: list[str],
    maintenance: Maintenance,
) -> Relation:
    """The changes of the groups in which some value is to be counted."""
    analysis, state = state_of(node, maintenance)
    matching = analysis.matching
    if not matching.keys:
        return keyed
    wanted = maintenance.add_cte(
        f"w_{state.suffix}_{id}",
        select(matching.of("g"), f"FROM {groups} AS g", f"WHERE {' OR '.join(concerns)}"),
    )
    return Relation(union_all(restrict(keyed, matching, wanted)), keyed.ids, keyed.weighted)


def _net(
    analysis: Analysis,
    matching: Matching,
    values: Values,
    keyed: Relation,
    name: str,
    maintenance: Maintenance,
) -> str:
    """CTE of by how much the number of rows of each value changed, matched by `matching`."""
    keys = [f"c.{key}" for key in (*analysis.keys, VALUE)]
    return maintenance.add_cte(
        f"v_{name}",
        select(
            [*matching.hash_column("c"), *keys, f"sum({WEIGHT}) AS n"],
            f"FROM {values_of(analysis, values, keyed).source('c')}",
            f"GROUP BY {', '.join(keys)}",
            f"HAVING sum({WEIGHT}) <> 0",
        ),
    )


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
