"""GROUP BY and DISTINCT.

With groups K touched by the child's delta, and the state table S as it stands at the frontier:

    old(γ) = S
    δ(γ)   = Σ over K of  - row(S_k)  + row(S_k + Δ_k)        Δ_k from the child's delta
    new(γ) = (S without K) + the new rows of K

Groups that cannot be carried forward are aggregated afresh from new(child) restricted to their
keys. The delta of one Aggregate is these common table expressions (n is the state table's
number):

    g_n   the child's delta, grouped: what each touched group gains and loses
    m_n   each with its state: old and new parts, whether it existed, whether to go afresh
    r_n, a_n   the groups to go afresh, and their parts (only where an aggregate needs it)
    v_n_x, y_n_x, z_n_x   for an aggregate x that looks at single values: by how much the number of
          rows of each value changed, what it was, and how many values came or went in a group
    f_n   old and new output row of each touched group, and whether they differ

and the changes of the state table itself. Group keys may be NULL; then groups are matched by a
hash of the key, rechecked with IS NOT DISTINCT FROM, for no index serves that operator.
Key types whose equal values print differently (1.0 and 1.00) take their key from a row that is
still there, so their groups always go afresh.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgtrickle.delta.accumulators import (
    GROUP_SIZE,
    Accumulator,
    Part,
    Values,
    accumulator,
    whole,
)
from pgtrickle.delta.images import prints_one_way
from pgtrickle.delta.linear import changed
from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.relation import WEIGHT, Relation, select, union_all
from pgtrickle.delta.restriction import HASH, Matching, restrict
from pgtrickle.delta.state import States, StateTable
from pgtrickle.query.algebra import Aggregate
from pgtrickle.query.keys import not_null_ids
from pgtrickle.query.lowering import NotIncremental
from pgtrickle.query.render import render_expression

VALUE = "x"
"""The argument, in relations of single values."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is decided about an Aggregate once, for all variants."""

    keys: tuple[str, ...]
    matching: Matching
    by_value: dict[str, Matching]
    accumulators: tuple[tuple[str, Accumulator], ...]
    keys_are_images: bool

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(part for _, each in self.accumulators for part in each.parts)

    @property
    def stored(self) -> tuple[str, ...]:
        """State columns beside the keys."""
        return (GROUP_SIZE, *(part.name for part in self.parts))

    @property
    def stored_values(self) -> tuple[Values, ...]:
        """The value counts that have a state table of their own."""
        found = (each.values for _, each in self.accumulators if each.values is not None)
        return tuple(values for values in found if values.stored)

    @property
    def afresh(self) -> str:
        """Condition over ``s`` and ``g`` under which a group is aggregated afresh ('' never)."""
        if not self.keys_are_images:
            return "true"
        conditions = [each.afresh for _, each in self.accumulators if each.afresh]
        return "true" if "true" in conditions else " OR ".join(conditions)


def prepare(node: Aggregate, maintenance: Maintenance) -> None:
    """Analyse the node and add its state table. Children come first."""
    states = maintenance.states
    analysis = _analyse(node, maintenance.initial(node.child), states)
    states.analyses[id(node)] = analysis
    keyed = _with_keys(node, maintenance.initial(node.child))
    matching = analysis.matching
    fill = _parts(analysis, keyed)
    if matching.hashed:
        states.add(id(node), fill, index=matching.index, lookup=matching.lookup)
    else:
        states.add(id(node), fill, key=matching.index)
    for values in analysis.stored_values:
        by_value = analysis.by_value[values.id]
        states.add(
            (id(node), values.id), _value_counts(analysis, values, keyed), index=by_value.index
        )


def _analyse(node: Aggregate, child: Relation, states: States) -> Analysis:
    """Ask for the types of keys and arguments in one question."""
    arguments = [
        render_expression(call.arguments[0].value) if len(call.arguments) == 1 else "NULL::text"
        for _, call in node.aggregates
    ]
    items = [render_expression(expression) for _, expression in node.keys] + arguments
    named = [f"{item} AS x{i}" for i, item in enumerate(items)]
    types = states.describe(select(named, f"FROM {child.source('c')}")) if named else []
    key_types = types[: len(node.keys)]
    for (_, expression), type in zip(node.keys, key_types, strict=True):
        if not type.hashable:
            raise NotIncremental(
                node.construct,
                f"values of type {type.name} have no hash function "
                f"({render_expression(expression)})",
            )
    not_null = not_null_ids(node.child.attributes)
    accumulators = []
    for (attribute, call), type in zip(node.aggregates, types[len(node.keys) :], strict=True):
        single = len(call.arguments) == 1
        value = call.arguments[0].value if single else None
        proved = getattr(value, "relation", "") is None and getattr(value, "name", "") in not_null
        accumulators.append(
            (attribute.id, accumulator(attribute.id, call, type if single else None, proved))
        )
    keys_are_images = all(
        type.bitwise or prints_one_way(expression, node.child)
        for (_, expression), type in zip(node.keys, key_types, strict=True)
    )
    if not keys_are_images or any(each.afresh == "true" for _, each in accumulators):
        # Nothing is carried forward, so there is no use in counting values.
        accumulators = [
            (attribute.id, whole(attribute.id, call)) for attribute, call in node.aggregates
        ]
    keys = tuple(attribute.id for attribute, _ in node.keys)
    nullable = tuple(attribute.id for attribute, _ in node.keys if not attribute.not_null)
    bounded = all(type.bounded for type in key_types)
    arguments_types = dict(
        zip((a.id for a, _ in node.aggregates), types[len(node.keys) :], strict=True)
    )
    return Analysis(
        keys=keys,
        matching=Matching(keys, nullable, bounded),
        by_value={
            id: Matching((*keys, VALUE), nullable, bounded and type.bounded)
            for id, type in arguments_types.items()
        },
        accumulators=tuple(accumulators),
        keys_are_images=keys_are_images,
    )


def _value_counts(analysis: Analysis, values: Values, keyed: Relation) -> str:
    """How many rows each value of an argument has in each group."""
    of_rows = _values_of(analysis, values, keyed)
    by_value = analysis.by_value[values.id]
    keys = [f"c.{key}" for key in (*analysis.keys, VALUE)]
    return select(
        [*by_value.hash_column("c"), *keys, "count(*) AS n"],
        f"FROM {of_rows.source('c')}",
        f"GROUP BY {', '.join(keys)}",
    )


def _values_of(analysis: Analysis, values: Values, keyed: Relation) -> Relation:
    """The group keys and the argument of the rows that count."""
    ids = (*analysis.keys, VALUE)
    weight = [f"k.{WEIGHT}"] if keyed.weighted else []
    items = [*(f"k.{key}" for key in analysis.keys), f"{values.argument} AS {VALUE}", *weight]
    where = f"WHERE {values.condition}" if values.condition else ""
    return Relation(select(items, f"FROM {keyed.source('k')}", where), ids, keyed.weighted)


def _with_keys(node: Aggregate, child: Relation) -> Relation:
    """The child with the group keys as columns of its own."""
    keys = [f"{render_expression(e)} AS {attribute.id}" for attribute, e in node.keys]
    if not keys:
        return child
    ids = child.ids + tuple(attribute.id for attribute, _ in node.keys)
    return Relation(select(["c.*", *keys], f"FROM {child.source('c')}"), ids, child.weighted)


def _parts(analysis: Analysis, keyed: Relation) -> str:
    """All state columns, aggregated afresh from child rows."""
    return select(
        [
            *analysis.matching.hash_column("k"),
            *(f"k.{key}" for key in analysis.keys),
            f"count(*) AS {GROUP_SIZE}",
            *(f"{part.fill} AS {part.name}" for part in analysis.parts),
        ],
        f"FROM {keyed.source('k')}",
        _group_by(analysis, "k"),
    )


def _group_by(analysis: Analysis, alias: str) -> str:
    return f"GROUP BY {', '.join(f'{alias}.{key}' for key in analysis.keys)}" * bool(analysis.keys)


def _initial(node: Aggregate, maintenance: Maintenance) -> Relation:
    keyed = _with_keys(node, maintenance.initial(node.child))
    keys = [attribute.id for attribute, _ in node.keys]
    calls = [f"{render_expression(call)} AS {attribute.id}" for attribute, call in node.aggregates]
    group_by = f"GROUP BY {', '.join(f'k.{key}' for key in keys)}" if keys else ""
    items = [f"k.{key}" for key in keys] + calls
    return Relation(select(items, f"FROM {keyed.source('k')}", group_by), node.ids, False)


def _finished(analysis: Analysis, prefix: str) -> list[str]:
    """The node's output columns from key and part columns that carry `prefix`."""
    return [
        *(f"{prefix}{key}" for key in analysis.keys),
        *(each.finish(lambda name: prefix + name) for _, each in analysis.accumulators),
    ]


def _outputs(node: Aggregate, expressions: list[str]) -> list[str]:
    return [f"{sql} AS {id}" for id, sql in zip(node.ids, expressions, strict=True)]


def _old(node: Aggregate, maintenance: Maintenance) -> Relation:
    analysis, table = _state(node, maintenance)
    items = _outputs(node, _finished(analysis, "s."))
    return Relation(select(items, f"FROM {table.qualified} AS s"), node.ids, weighted=False)


def _new(node: Aggregate, maintenance: Maintenance) -> Relation:
    if not maintenance.is_changed(node):
        return _old(node, maintenance)
    analysis, table = _state(node, maintenance)
    touched = _touched(node, maintenance)
    kept = select(
        _outputs(node, _finished(analysis, "s.")),
        f"FROM {table.qualified} AS s",
        f"WHERE NOT EXISTS (SELECT FROM {touched} AS f WHERE {analysis.matching.same('s', 'f')})",
    )
    fresh = select([f"f.n_{id} AS {id}" for id in node.ids], f"FROM {touched} AS f WHERE f.__alive")
    return Relation(union_all([kept, fresh]), node.ids, weighted=False)


def _delta(node: Aggregate, maintenance: Maintenance) -> Relation:
    touched = _touched(node, maintenance)
    terms = [
        select(
            [*(f"f.{side}_{id} AS {id}" for id in node.ids), f"{weight} AS {WEIGHT}"],
            f"FROM {touched} AS f",
            f"WHERE f.{exists} AND NOT f.__same",
        )
        for side, weight, exists in (("o", -1, "__existed"), ("n", 1, "__alive"))
    ]
    return Relation(union_all(terms), node.ids, weighted=True)


def _state(node: Aggregate, maintenance: Maintenance) -> tuple[Analysis, StateTable]:
    states = maintenance.states
    analysis: Analysis = states.analyses[id(node)]
    return analysis, states.tables[id(node)]


def _touched(node: Aggregate, maintenance: Maintenance) -> str:
    """The CTE f_n, adding it and all it needs to the maintenance the first time."""
    known = maintenance.finished.get(id(node))
    if known is None:
        known = _Touched(node, maintenance).add()
        maintenance.finished[id(node)] = known
    return str(known)


class _Touched:
    """Builds the common table expressions of one Aggregate in one variant."""

    def __init__(self, node: Aggregate, maintenance: Maintenance) -> None:
        self.node = node
        self.maintenance = maintenance
        self.analysis, self.table = _state(node, maintenance)
        self.suffix = self.table.suffix

    def add(self) -> str:
        keyed = self._changes()
        groups = self._groups(keyed)
        values = [
            self._values(each.values, keyed)
            for _, each in self.analysis.accumulators
            if each.values is not None
        ]
        merged = self._merged(groups, values)
        afresh = self._afresh(merged) if self.analysis.afresh else None
        touched = self._rows(merged, afresh)
        self._change_state(touched)
        self.maintenance.checks.append(f"SELECT FROM {touched} AS f WHERE f.__invalid")
        return touched

    def _changes(self) -> Relation:
        """The child's delta with the group keys; a CTE where it is read more than once."""
        keyed = _with_keys(self.node, changed(self.node.child, self.maintenance))
        several = any(each.values for _, each in self.analysis.accumulators)
        return self.maintenance.share(keyed) if several else keyed

    def _groups(self, keyed: Relation) -> str:
        analysis = self.analysis
        changes = [f"{sql} AS {name}" for part in analysis.parts for name, sql in part.changes]
        sql = select(
            [
                *analysis.matching.hash_column("k"),
                *(f"k.{key}" for key in analysis.keys),
                f"coalesce(sum({WEIGHT}), 0)::bigint AS {GROUP_SIZE}",
                *changes,
            ],
            f"FROM {keyed.source('k')}",
            _group_by(analysis, "k"),
        )
        return self.maintenance.add_cte(f"g_{self.suffix}", sql)

    def _values(self, values: Values, keyed: Relation) -> str:
        """The join that adds ``v_<id>`` to the changes ``g`` and the state ``s`` of the groups."""
        analysis = self.analysis
        matching, by_value = analysis.matching, analysis.by_value[values.id]
        name = f"{self.suffix}_{values.id}"
        keys = [f"c.{key}" for key in (*analysis.keys, VALUE)]
        chosen = by_value if values.stored else matching
        net = self.maintenance.add_cte(
            f"v_{name}",
            select(
                [*chosen.hash_column("c"), *keys, f"sum({WEIGHT}) AS n"],
                f"FROM {_values_of(analysis, values, keyed).source('c')}",
                f"GROUP BY {', '.join(keys)}",
                f"HAVING sum({WEIGHT}) <> 0",
            ),
        )
        if values.stored:
            net = self._count_values(values, net, name)
            condition = matching.same(values.alias, "g")
        else:
            same = matching.same(values.alias, "g")
            condition = f"{same} AND {values.alias}.{VALUE} = {values.wanted}"
        return f"LEFT JOIN {net} AS {values.alias} ON {condition}"

    def _count_values(self, values: Values, net: str, name: str) -> str:
        """CTE of how many values each group gained or lost; the counts are brought up to date."""
        analysis = self.analysis
        by_value = analysis.by_value[values.id]
        table = self.maintenance.states.tables[id(self.node), values.id].qualified
        counted = self.maintenance.add_cte(
            f"y_{name}",
            select(
                ["c.*", "s.n AS before", "coalesce(s.n, 0) + c.n AS after"],
                f"FROM {net} AS c LEFT JOIN {table} AS s ON {by_value.same('s', 'c')}",
            ),
        )
        self.maintenance.checks.append(f"SELECT FROM {counted} AS c WHERE c.after < 0")
        self.maintenance.add_change(
            f"{counted}_u",
            f"UPDATE {table} AS s SET n = c.after FROM {counted} AS c "
            f"WHERE {by_value.same('s', 'c')} AND c.before > 0 AND c.after > 0",
        )
        self.maintenance.add_change(
            f"{counted}_d",
            f"DELETE FROM {table} AS s USING {counted} AS c "
            f"WHERE {by_value.same('s', 'c')} AND c.before > 0 AND c.after <= 0",
        )
        names = ", ".join(by_value.columns)
        self.maintenance.add_change(
            f"{counted}_i",
            f"INSERT INTO {table} ({names}, n) SELECT {names}, after FROM {counted} "
            "WHERE before IS NULL AND after > 0",
        )
        keys = [f"c.{key}" for key in analysis.keys]
        came = "CASE WHEN c.before IS NULL THEN 1 WHEN c.after <= 0 THEN -1 ELSE 0 END"
        return self.maintenance.add_cte(
            f"z_{name}",
            select(
                [*analysis.matching.hash_column("c"), *keys, f"sum({came}) AS n"],
                f"FROM {counted} AS c",
                _group_by(analysis, "c"),
            ),
        )

    def _merged(self, groups: str, values: list[str]) -> str:
        """Old parts as o_<part>, new ones as n_<part>; old keys as o_<key>."""
        analysis = self.analysis
        items = [
            *analysis.matching.of("g"),
            f"s.{GROUP_SIZE} IS NOT NULL AS __existed",
            *(f"s.{key} AS o_{key}" for key in analysis.keys),
            *(f"s.{name} AS o_{name}" for name in analysis.stored),
            f"coalesce(s.{GROUP_SIZE}, 0) + g.{GROUP_SIZE} AS n_{GROUP_SIZE}",
            *(f"{part.step} AS n_{part.name}" for part in analysis.parts if part.step),
        ]
        if analysis.afresh:
            items.append(f"({analysis.afresh}) AS __afresh")
        sql = select(
            items,
            f"FROM {groups} AS g",
            f"LEFT JOIN {self.table.qualified} AS s ON {analysis.matching.same('s', 'g')}",
            *values,
        )
        return self.maintenance.add_cte(f"m_{self.suffix}", sql)

    def _alive(self, alias: str) -> str:
        return f"{alias}.n_{GROUP_SIZE} > 0" if self.analysis.keys else "true"

    def _afresh(self, merged: str) -> str:
        """Parts of the groups that cannot be carried forward, from the child as it is now."""
        analysis = self.analysis
        wanted = self.maintenance.add_cte(
            f"r_{self.suffix}",
            select(
                analysis.matching.of("m") or ["1 AS one"],
                f"FROM {merged} AS m",
                f"WHERE m.__afresh AND {self._alive('m')}",
            ),
        )
        keyed = _with_keys(self.node, self.maintenance.new(self.node.child))
        restricted = Relation(
            union_all(restrict(keyed, analysis.matching, wanted)), keyed.ids, weighted=False
        )
        sql = _parts(analysis, restricted)
        if not analysis.keys:
            sql = select(["*"], f"FROM ({sql}) AS a WHERE EXISTS (SELECT FROM {wanted})")
        return self.maintenance.add_cte(f"a_{self.suffix}", sql)

    def _rows(self, merged: str, afresh: str | None) -> str:
        """New parts settled, then the output rows of before and after."""
        analysis = self.analysis
        settled = [
            *analysis.matching.of("m"),
            "m.__existed",
            f"{self._alive('m')} AS __alive",
            *(f"m.o_{name}" for name in (*analysis.keys, *analysis.stored)),
            f"m.n_{GROUP_SIZE}",
        ]
        source = f"FROM {merged} AS m"
        invalid = f"m.n_{GROUP_SIZE} < 0"
        if afresh is None:
            settled += [f"m.{key} AS n_{key}" for key in analysis.keys]
            settled += [f"m.n_{part.name}" for part in analysis.parts]
        else:
            settled += [
                f"CASE WHEN m.__afresh THEN a.{key} ELSE m.{key} END AS n_{key}"
                for key in analysis.keys
            ]
            settled += [
                f"CASE WHEN m.__afresh THEN a.{part.name} ELSE m.n_{part.name} END AS n_{part.name}"
                if part.step
                else f"a.{part.name} AS n_{part.name}"
                for part in analysis.parts
            ]
            source += (
                f"\nLEFT JOIN {afresh} AS a ON m.__afresh AND {analysis.matching.same('a', 'm')}"
            )
            invalid += (
                f" OR (m.__afresh AND {self._alive('m')}"
                f" AND a.{GROUP_SIZE} IS DISTINCT FROM m.n_{GROUP_SIZE})"
            )
        settled.append(f"({invalid}) AS __invalid")
        inner = select(settled, source)
        old, new = _finished(analysis, "p.o_"), _finished(analysis, "p.n_")
        outputs = [
            f"{sql} AS {side}_{id}"
            for side, sqls in (("o", old), ("n", new))
            for id, sql in zip(self.node.ids, sqls, strict=True)
            if id not in analysis.keys
        ]
        same = (
            f"(p.__existed AND p.__alive AND ROW({', '.join(old)})::record"
            f" *= ROW({', '.join(new)})::record)"
        )
        sql = select(["p.*", *outputs, f"{same} AS __same"], f"FROM (\n{inner}\n) AS p")
        return self.maintenance.add_cte(f"f_{self.suffix}", sql)

    def _change_state(self, touched: str) -> None:
        analysis, table = self.analysis, self.table.qualified
        match = analysis.matching.same("s", "f")
        columns = list(analysis.stored)
        if not analysis.keys_are_images:
            columns += analysis.keys
        assignments = ", ".join(f"{name} = f.n_{name}" for name in columns)
        self.maintenance.add_change(
            f"u_{self.suffix}",
            f"UPDATE {table} AS s SET {assignments} FROM {touched} AS f "
            f"WHERE {match} AND f.__existed AND f.__alive",
        )
        if not analysis.keys:
            return
        self.maintenance.add_change(
            f"d_{self.suffix}",
            f"DELETE FROM {table} AS s USING {touched} AS f "
            f"WHERE {match} AND f.__existed AND NOT f.__alive",
        )
        hash = [HASH] if analysis.matching.hashed else []
        names = [*hash, *analysis.keys, *analysis.stored]
        values = [f"f.{name}" for name in hash]
        values += [f"f.n_{name}" for name in (*analysis.keys, *analysis.stored)]
        self.maintenance.add_change(
            f"i_{self.suffix}",
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} "
            f"FROM {touched} AS f WHERE NOT f.__existed AND f.__alive",
        )


AGGREGATE = Rules(initial=_initial, new=_new, old=_old, delta=_delta)
