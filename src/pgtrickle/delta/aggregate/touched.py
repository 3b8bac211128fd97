"""The groups a change touches: what they were, what they are, and the state brought up to date."""

from __future__ import annotations

from collections.abc import Mapping

from pgtrickle.delta.accumulators import GROUP_SIZE
from pgtrickle.delta.aggregate.analysis import finished, group_by, parts, state_of, with_keys
from pgtrickle.delta.aggregate.eager import AddedUp, added_up
from pgtrickle.delta.aggregate.values import join_values
from pgtrickle.delta.linear import changed
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.merged import terms_with
from pgtrickle.delta.relation import WEIGHT, Relation, same_rows, select, union_all
from pgtrickle.delta.restriction import HASH, restrict
from pgtrickle.delta.state import StateTable
from pgtrickle.query.algebra import Aggregate


def touched_groups(node: Aggregate, maintenance: Maintenance) -> str:
    """The CTE f_n, adding it and all it needs to the maintenance the first time."""
    known = maintenance.finished.get(id(node))
    if known is None:
        known = Touched(node, maintenance).add()
        maintenance.finished[id(node)] = known
    return str(known)


class Touched:
    """Builds the common table expressions of one Aggregate in one variant."""

    def __init__(self, node: Aggregate, maintenance: Maintenance) -> None:
        self.node = node
        self.maintenance = maintenance
        self.analysis, self.table = state_of(node, maintenance)
        self.suffix = self.table.suffix

    def add(self) -> str:
        before = added_up(self.node, self.analysis, self.maintenance)
        if before is None:
            keyed = self._changes()
            groups = self._groups(keyed)
            values = join_values(self.node, keyed, groups, self.maintenance)
        else:
            groups, values = self._groups_of(before), []
        merged = self._merged(groups, values)
        afresh = self._afresh(merged) if self.analysis.afresh else None
        touched = self._rows(merged, afresh)
        if isinstance(self.table, StateTable):
            self._change_state(touched, self.table.qualified)
        self.maintenance.checks.append(f"SELECT FROM {touched} AS f WHERE f.__invalid")
        return touched

    def _changes(self) -> Relation:
        """The child's delta with the group keys; a CTE where it is read more than once."""
        keyed = with_keys(self.node, changed(self.node.child, self.maintenance))
        several = any(each.values for _, each in self.analysis.accumulators)
        return self.maintenance.share(keyed) if several else keyed

    def _groups(self, keyed: Relation) -> str:
        """CTE of what each touched group gains and loses, from single rows."""
        analysis = self.analysis
        keys = [*analysis.picked_keys("k"), *analysis.removed_keys("k")]
        size = f"coalesce(sum({WEIGHT}), 0)::bigint"
        changes = {change.name: change.sql for change in analysis.changes}
        return self._grouped(keyed, keys, size, changes, group_by(analysis, "k"))

    def _groups_of(self, before: AddedUp) -> str:
        """The same from rows that have been added up."""
        keys = [f"k.{key}" for key in self.analysis.keys]
        if before.once:
            names = {name: f"k.{name}" for name in before.again}
            return self._grouped(before.rows, keys, f"k.{GROUP_SIZE}", names, "")
        size = f"coalesce(sum({GROUP_SIZE}), 0)::bigint"
        return self._grouped(before.rows, keys, size, before.again, group_by(self.analysis, "k"))

    def _grouped(
        self, rows: Relation, keys: list[str], size: str, changes: Mapping[str, str], by: str
    ) -> str:
        items = [
            *self.analysis.matching.hash_column("k"),
            *keys,
            f"{size} AS {GROUP_SIZE}",
            *(f"{sql} AS {name}" for name, sql in changes.items()),
        ]
        sql = select(items, f"FROM {rows.source('k')}", by)
        return self.maintenance.add_cte(f"g_{self.suffix}", sql)

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
        items += [f"s.{name}" for name in self.table.place]
        if analysis.afresh:
            items.append(f"({analysis.afresh}) AS __afresh")
        sql = select(
            items,
            f"FROM {groups} AS g",
            f"LEFT JOIN {self.table.read} AS s ON {analysis.matching.same('s', 'g')}",
            *values,
        )
        return self.maintenance.add_cte(f"m_{self.suffix}", sql)

    def _alive(self, alias: str) -> str:
        return f"{alias}.n_{GROUP_SIZE} > 0" if self.analysis.keys else "true"

    def _afresh(self, merged: str) -> str:
        """Parts of the groups that cannot be carried forward, from the child as it is now.

        Where that is for NaN and its like, only in a text that is run when another has met one: to
        plan it took ten times as long as all else of TPC-H q8, a join of eight tables.
        """
        analysis = self.analysis
        wanted = self.maintenance.add_cte(
            f"r_{self.suffix}",
            select(
                analysis.matching.of("m") or ["1 AS one"],
                f"FROM {merged} AS m",
                f"WHERE m.__afresh AND {self._alive('m')}",
            ),
        )
        by_key = {attribute.id: expression for attribute, expression in self.node.keys}
        terms = terms_with(self.node.child, by_key, wanted, self.maintenance)
        keyed = [with_keys(self.node, term) for term in terms]
        wanted_parts = [
            part for term in keyed for part in restrict(term, analysis.matching, wanted)
        ]
        restricted = Relation(union_all(wanted_parts), keyed[0].ids, weighted=False)
        sql = parts(analysis, restricted)
        if not analysis.keys:
            sql = select(["*"], f"FROM ({sql}) AS a WHERE EXISTS (SELECT FROM {wanted})")
        if analysis.is_rarely_afresh:
            sql = select(["*"], f"FROM (\n{sql}\n) AS a WHERE {self.maintenance.states.afresh}")
        return self.maintenance.add_cte(f"a_{self.suffix}", sql)

    def _rows(self, merged: str, afresh: str | None) -> str:
        """New parts settled, then the output rows of before and after."""
        analysis = self.analysis
        settled = [
            *analysis.matching.of("m"),
            "m.__existed",
            *(f"m.{name}" for name in self.table.place),
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
            known = "" if analysis.keys_are_images else " WHEN m.__existed THEN m.o_{0}"
            settled += [
                f"CASE WHEN m.__afresh THEN a.{key}{known.format(key)} ELSE m.{key} END AS n_{key}"
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
        old, new = finished(analysis, "p.o_"), finished(analysis, "p.n_")
        outputs = [
            f"{sql} AS {side}_{id}"
            for side, sqls in (("o", old), ("n", new))
            for id, sql in zip(self.node.ids, sqls, strict=True)
            if id not in analysis.keys
        ]
        same = f"(p.__existed AND p.__alive AND {same_rows(old, new)})"
        sql = select(["p.*", *outputs, f"{same} AS __same"], f"FROM (\n{inner}\n) AS p")
        return self.maintenance.add_cte(f"f_{self.suffix}", sql)

    def _change_state(self, touched: str, table: str) -> None:
        analysis = self.analysis
        columns = list(analysis.stored)
        if not analysis.keys_are_images:
            columns += analysis.keys
        assignments = ", ".join(f"{name} = f.n_{name}" for name in columns)
        same = same_rows([f"f.o_{name}" for name in columns], [f"f.n_{name}" for name in columns])
        self.maintenance.add_change(
            f"u_{self.suffix}",
            f"UPDATE {table} AS s SET {assignments} FROM {touched} AS f "
            f"WHERE s.ctid = f.__stored AND f.__existed AND f.__alive AND NOT {same}",
        )
        if not analysis.keys:
            return
        self.maintenance.add_change(
            f"d_{self.suffix}",
            f"DELETE FROM {table} AS s USING {touched} AS f "
            f"WHERE s.ctid = f.__stored AND f.__existed AND NOT f.__alive",
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
