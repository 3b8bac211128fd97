"""Changes are added up before they are joined, where that comes to the same.

Of ``orders JOIN customers … GROUP BY region`` with changed orders, what the orders of one customer
change in the aggregates is added up first, and joined with the customer once. With C the columns of
the orders that the join and the groups read,

    γ(δR ⋈ L) = γ'(γ_C(δR) ⋈ L)        γ' adds up what γ_C has for each group

and through further joins likewise (Yan and Larson, Eager Aggregation and Lazy Aggregation, VLDB
1995). It asks that

- the aggregates read one side of the join alone;
- what they are of has a value for every changed row, for which of them join is not yet known, and
  so do keys of the groups that are computed of that side;
- rows that are equal in C are joined with the same rows, and are of one group;
- the join leaves few of them out: no condition chooses among the rows of L, for what was added up
  of rows without a partner was for nothing. A left join keeps all rows of its left side.

A left join whose right side changed has also the rows that gain their first match, or lose their
last one. Where each group is one left row, which the state knows the matches of, the rows that were
added up are what changed in the groups: the left side is not asked for.

Where the other side of a join of tables changed too,

    δ(R ⋈ L) = δR ⋈ new(L)  +  old(R) ⋈ δL

and the second term, the rest, is joined row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pgtrickle.delta.accumulators import GROUP_SIZE
from pgtrickle.delta.aggregate.analysis import Analysis, group_by, with_keys
from pgtrickle.delta.aggregate.join_steps import Step, reads_only, steps
from pgtrickle.delta.aggregate.matched import equated_keys
from pgtrickle.delta.join import from_change, past_with_change
from pgtrickle.delta.linear import changed
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.outer_join import flips, of_right
from pgtrickle.delta.relation import WEIGHT, Relation, select, union_all
from pgtrickle.delta.total import is_total
from pgtrickle.query.algebra import (
    Aggregate,
    Node,
    OuterJoin,
)
from pgtrickle.query.expression import Column, Expression
from pgtrickle.query.keys import keys
from pgtrickle.query.lowering.conditions import conjunction
from pgtrickle.query.pruning import columns_of
from pgtrickle.query.render import render_expression


@dataclass(frozen=True, slots=True)
class AddedUp:
    """What changed in the groups: `rows` of keys, size and the parts' changes.

    `again` aggregates each of these changes once more. `once`: a group has one row at most.
    """

    rows: Relation
    again: Mapping[str, str]
    once: bool = False


def added_up(node: Aggregate, analysis: Analysis, maintenance: Maintenance) -> AddedUp | None:
    """What changed in the groups, added up as far as it is before the join.

    None where changes are joined one by one.
    """
    return Eager(node, analysis, maintenance).rows()


@dataclass(frozen=True, slots=True)
class Below:
    """The changes of one side of a join: `rows` that are added up, and the `rest` as they are.

    Each of the rest is a select of the side's columns and a weight.
    """

    rows: Relation
    rest: tuple[str, ...] = ()


class Eager:
    """The changes of one Aggregate in one variant."""

    def __init__(self, node: Aggregate, analysis: Analysis, maintenance: Maintenance) -> None:
        self.node = node
        self.analysis = analysis
        self.maintenance = maintenance
        self.arguments = columns_of(tuple(call for _, call in node.aggregates))
        self.computed: tuple[tuple[str, Expression], ...] = ()
        self.changes = analysis.changes
        self.again = {each.name: each.again for each in self.changes if each.again is not None}
        self.names = (GROUP_SIZE, *(change.name for change in self.changes))

    def rows(self) -> AddedUp | None:
        found = (self._by(step) for step in self._steps(self.node.child))
        return next((each for each in found if each is not None), None)

    def _by(self, step: Step) -> AddedUp | None:
        node = self.node
        if not self._comes_to_the_same(step.side):
            return None
        if self.analysis.matched is not None and not step.flips:
            return None  # which asks whether each row has a partner
        of_left_rows = self.analysis.matched is not None and self._counts_no_missing_row()
        self.computed = tuple(
            (attribute.id, key)
            for attribute, key in node.keys
            if not isinstance(key, Column) and reads_only(key, step.side)
        )
        computed = {id for id, _ in self.computed}
        read = tuple(key for attribute, key in node.keys if attribute.id not in computed)
        below = self._below(step, columns_of(read), through_joins=not of_left_rows)
        if below is None:
            return None
        if isinstance(step.join, OuterJoin) and step.flips:
            if of_left_rows:
                return AddedUp(self._of_left_rows(step.join, below.rows), self.again, once=True)
            shared = self.maintenance.share(below.rows)
            matched = self._joined(step, shared)
            return self._together(matched, self._flips(step.join, shared))
        matched = self._joined(step, below.rows)
        rest = self._rest(step, below)
        if not rest:
            return AddedUp(with_keys(node, matched), self.again)
        rows = Relation(union_all(rest), node.child.ids, weighted=True)
        return self._together(matched, self._grouped(rows))

    def _together(self, matched: Relation, others: str) -> AddedUp:
        """Changes added up and joined since, and `others` of the same columns."""
        keyed = with_keys(self.node, matched)
        ids = (*self.analysis.keys, *self.names)
        sql = union_all([select(ids, f"FROM {keyed.source('m')}"), others])
        return AddedUp(Relation(sql, ids, weighted=False), self.again)

    def _steps(self, node: Node) -> Iterator[Step]:
        return steps(node, self.arguments, self.maintenance)

    def _comes_to_the_same(self, side: Node) -> bool:
        if not (self.analysis.keys_are_images and self.maintenance.states.one_equality):
            return False
        if any(each.values is not None for _, each in self.analysis.accumulators):
            return False  # which asks for single rows
        if len(self.again) < len(self.changes):
            return False
        for _, call in self.node.aggregates:
            arguments = [each.value for each in call.arguments]
            if not (call.star or all(map(columns_of, arguments))):
                return False
            asked = [*arguments, *([call.filter] if call.filter is not None else [])]
            if not all(is_total(each, self.node.child) for each in asked):
                return False
        ids = frozenset(side.ids)
        return all(
            not columns_of(key) & ids or (reads_only(key, side) and is_total(key, side))
            for _, key in self.node.keys
        )

    def _below(
        self, step: Step, above: frozenset[str], *, through_joins: bool = True
    ) -> Below | None:
        """The changes of the side, added up by what is read above; None where none would meet.

        Those that were added up further below come several times, joined with different rows.
        """
        side, by = step.side, step.reads(above)
        for further in self._steps(side) if through_joins and not step.own else ():
            of_one_side = all(reads_only(key, further.side) for _, key in self.computed)
            below = None if further.flips or not of_one_side else self._below(further, by)
            if below is None:
                continue
            rows, rest = self._joined(further, below.rows), self._rest(further, below)
            if not (step.flips and rest):
                return Below(rows, tuple(rest))
            more = self._added_up(step, Relation(union_all(rest), side.ids, weighted=True), by)
            sql = union_all([select(more.ids, f"FROM {rows.source('b')}"), more.sql])
            return Below(Relation(sql, more.ids, weighted=False))
        if not by or any(key <= by for key in keys(side)):
            return None
        return Below(self._added_up(step, changed(side, self.maintenance), by))

    def _added_up(self, step: Step, rows: Relation, by: frozenset[str]) -> Relation:
        """Changed rows of the side, by the columns `by` and the keys that are computed of it."""
        computed = [f"{render_expression(key)} AS {id}" for id, key in self.computed]
        keyed = select(["c.*", *computed], f"FROM {rows.source('c')}")
        columns = (*(id for id in step.side.ids if id in by), *(id for id, _ in self.computed))
        sql = select(
            self._changed(columns),
            f"FROM ({keyed}) AS k",
            f"WHERE {' AND '.join(map(render_expression, step.own))}" if step.own else "",
            f"GROUP BY {', '.join(f'k.{id}' for id in columns)}",
        )
        return Relation(sql, (*columns, *self.names), weighted=False)

    def _rest(self, step: Step, below: Below) -> list[str]:
        """The changes of the join that come of the other side's, and of what was `below`, too."""
        rest = []
        if below.rest:
            rows = Relation(union_all(below.rest), step.side.ids, weighted=True)
            rest.append(self._weighted(step, self._joined(step, rows)))
        change = self.maintenance.shared_delta(step.other)
        if change is None:
            return rest
        if isinstance(step.join, OuterJoin):
            return [*rest, *of_right(step.join, change, self.maintenance)]
        terms = past_with_change(step.side, change, step.join.condition, self.maintenance)
        return [*rest, *(self._weighted(step, term) for term in terms)]

    @staticmethod
    def _weighted(step: Step, rows: Relation) -> str:
        return select([*step.join.ids, WEIGHT], f"FROM {rows.source('w')}")

    def _joined(self, step: Step, below: Relation) -> Relation:
        condition = conjunction(step.across)
        if not step.keeps:
            return from_change(step.other, below, condition, self.maintenance)
        other = self.maintenance.new(step.other)
        on = "true" if condition is None else render_expression(condition)
        ids = below.ids + other.ids
        source = f"FROM {below.source('l')} LEFT JOIN {other.source('r')} ON {on}"
        items = [*(f"l.{id}" for id in below.ids), *(f"r.{id}" for id in other.ids)]
        weight = [f"l.{WEIGHT}"] if below.weighted else []
        return Relation(select([*items, *weight], source), ids, below.weighted)

    def _counts_no_missing_row(self) -> bool:
        """Whether a left row without a match adds to nothing but the number of rows."""
        return all(
            all(isinstance(each.value, Column) for each in call.arguments)
            and not (call.star and call.filter is not None)
            for _, call in self.node.aggregates
        )

    def _of_left_rows(self, node: OuterJoin, below: Relation) -> Relation:
        """The changes of groups that are one left row each, be it without a match."""
        known = self.maintenance.states.matches[id(node)]
        equated = equated_keys(self.node)
        before, change = f"s.{known.number}", f"c.{GROUP_SIZE}"
        size = f"{change} + ({before} + {change} = 0)::integer - ({before} = 0)::integer"
        sql = select(
            [
                *(f"s.{key}" for key in equated),
                f"{size} AS {GROUP_SIZE}",
                *(f"c.{change.name}" for change in self.changes),
            ],
            f"FROM {below.source('c')} JOIN {known.read} AS s",
            f"ON {' AND '.join(f's.{key} = c.{right}' for key, right in equated.items())}",
        )
        return Relation(sql, (*equated, *self.names), weighted=False)

    def _flips(self, node: OuterJoin, below: Relation) -> str:
        """Rows without a match that come or go, added up like all others."""
        sql = f"SELECT c.*, c.{GROUP_SIZE} AS {WEIGHT} FROM {below.source('c')}"
        counted = Relation(sql, below.ids, weighted=True)
        left, right = self.maintenance.new(node.left), self.maintenance.new(node.right)
        typed = select(
            [*node.ids, f"0 AS {WEIGHT}"],
            f"FROM {left.source('l')} JOIN {right.source('r')} ON false",
        )
        rows = union_all([typed, flips(node, self.maintenance, of_left=True, counted=counted)])
        return self._grouped(Relation(rows, node.ids, weighted=True))

    def _grouped(self, rows: Relation) -> str:
        """Changed rows of the child, added up by group."""
        keyed = with_keys(self.node, rows)
        return select(
            self._changed(self.analysis.keys),
            f"FROM {keyed.source('k')}",
            group_by(self.analysis, "k"),
        )

    def _changed(self, columns: tuple[str, ...]) -> list[str]:
        """Select items over weighted rows ``k``: `columns`, the size, and the parts' changes."""
        return [
            *(f"k.{column}" for column in columns),
            f"coalesce(sum({WEIGHT}), 0)::bigint AS {GROUP_SIZE}",
            *(f"{change.sql} AS {change.name}" for change in self.changes),
        ]
