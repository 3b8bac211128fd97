"""Changes are added up before they are joined, where that comes to the same.

Of ``orders JOIN customers … GROUP BY region`` with changed orders, what the orders of one customer
change in the aggregates is added up first, and joined with the customer once. With C the columns of
the orders that the join and the groups read,

    γ(δR ⋈ L) = γ'(γ_C(δR) ⋈ L)        γ' adds up what γ_C has for each group

and through further joins likewise (Yan and Larson, Eager Aggregation and Lazy Aggregation, VLDB
1995). It asks that

- one side of the join changed, and the aggregates read that side alone;
- what they are of has a value for every changed row, for which of them join is not yet known, and
  so do keys of the groups that are computed of that side;
- rows that are equal in C are joined with the same rows, and are of one group;
- the join leaves few of them out: no condition chooses among the rows of L, for what was added up
  of rows without a partner was for nothing. A left join keeps all rows of its left side.

A left join whose right side changed has also the rows that gain their first match, or lose their
last one. Where each group is one left row, which the state knows the matches of, the rows that were
added up are what changed in the groups: the left side is not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgtrickle.delta.accumulators import GROUP_SIZE
from pgtrickle.delta.aggregate.analysis import Analysis, group_by, with_keys
from pgtrickle.delta.aggregate.matched import equated_keys
from pgtrickle.delta.join import from_change
from pgtrickle.delta.linear import changed
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.outer_join import flips
from pgtrickle.delta.relation import WEIGHT, Relation, select, union_all
from pgtrickle.delta.total import is_total
from pgtrickle.query.algebra import (
    Aggregate,
    Join,
    Node,
    OuterJoin,
    Project,
    Scan,
    Shared,
    walk_nodes,
)
from pgtrickle.query.expression import Column, Expression, Operator
from pgtrickle.query.keys import keys
from pgtrickle.query.lowering.conditions import conjunction, conjuncts
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
class Step:
    """A join of which one `side` changed: the conditions on that side alone, and all others.

    `keeps`: each row of that side is in the result, be it without a partner. `flips`: rows of the
    other one are, too.
    """

    side: Node
    other: Node
    own: tuple[Expression, ...]
    across: tuple[Expression, ...]
    keeps: bool = False
    flips: bool = False

    def reads(self, above: frozenset[str]) -> frozenset[str]:
        """The columns of the side that are read by the join, or are among those `above`."""
        return (columns_of(self.across) | above) & frozenset(self.side.ids)


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
        node, child = self.node, self.node.child
        step = self._step(child)
        if step is None or not self._comes_to_the_same(step.side):
            return None
        if self.analysis.matched is not None and not step.flips:
            return None  # which asks whether each row has a partner
        of_left_rows = self.analysis.matched is not None and self._counts_no_missing_row()
        self.computed = tuple(
            (attribute.id, key)
            for attribute, key in node.keys
            if not isinstance(key, Column) and _reads_only(key, step.side)
        )
        computed = {id for id, _ in self.computed}
        read = tuple(key for attribute, key in node.keys if attribute.id not in computed)
        below = self._below(step, columns_of(read), through_joins=not of_left_rows)
        if below is None:
            return None
        if not isinstance(child, OuterJoin) or not step.flips:
            return AddedUp(with_keys(node, self._joined(step, below)), self.again)
        if of_left_rows:
            return AddedUp(self._of_left_rows(child, below), self.again, once=True)
        shared = self.maintenance.share(below)
        matched = with_keys(node, self._joined(step, shared))
        ids = (*self.analysis.keys, *self.names)
        sql = union_all([select(ids, f"FROM {matched.source('m')}"), self._flips(child, shared)])
        return AddedUp(Relation(sql, ids, weighted=False), self.again)

    def _step(self, node: Node) -> Step | None:
        """The join taken apart, if the one side that changed is all that the aggregates read."""
        if not isinstance(node, Join | OuterJoin) or (isinstance(node, OuterJoin) and node.full):
            return None
        outer = isinstance(node, OuterJoin)
        for side, other in ((node.left, node.right), (node.right, node.left)):
            if not self.arguments <= frozenset(side.ids) or self.maintenance.is_changed(other):
                continue
            conditions = conjuncts(node.condition)
            own = tuple(each for each in conditions if _reads_only(each, side))
            across = tuple(each for each in conditions if each not in own)
            if outer and side is node.left:
                step = Step(side, other, own, across, keeps=True)
                fits = not own and all(
                    _equates(each, side, other) or _reads_only(each, other) for each in across
                )
            else:
                step = Step(side, other, own, across, flips=outer)
                fits = _keeps_its_rows(other) and all(
                    _equates(each, side, other) for each in across
                )
            if fits:
                return step
        return None

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
            not columns_of(key) & ids or (_reads_only(key, side) and is_total(key, side))
            for _, key in self.node.keys
        )

    def _below(
        self, step: Step, above: frozenset[str], *, through_joins: bool = True
    ) -> Relation | None:
        """The changes of the side, added up by what is read above; None where none would meet.

        Those that were added up further below come several times, joined with different rows.
        """
        side, by = step.side, step.reads(above)
        further = self._step(side) if through_joins else None
        if (
            further is not None
            and not (further.flips or step.own)
            and all(_reads_only(key, further.side) for _, key in self.computed)
        ):
            below = self._below(further, by)
            if below is not None:
                return self._joined(further, below)
        if not by or any(key <= by for key in keys(side)):
            return None
        rows = changed(side, self.maintenance)
        computed = [f"{render_expression(key)} AS {id}" for id, key in self.computed]
        keyed = select(["c.*", *computed], f"FROM {rows.source('c')}")
        columns = (*(id for id in side.ids if id in by), *(id for id, _ in self.computed))
        sql = select(
            self._changed(columns),
            f"FROM ({keyed}) AS k",
            f"WHERE {' AND '.join(map(render_expression, step.own))}" if step.own else "",
            f"GROUP BY {', '.join(f'k.{id}' for id in columns)}",
        )
        return Relation(sql, (*columns, *self.names), weighted=False)

    def _joined(self, step: Step, below: Relation) -> Relation:
        condition = conjunction(step.across)
        if not step.keeps:
            return from_change(step.other, below, condition, self.maintenance)
        other = self.maintenance.new(step.other)
        on = "true" if condition is None else render_expression(condition)
        ids = below.ids + other.ids
        source = f"FROM {below.source('l')} LEFT JOIN {other.source('r')} ON {on}"
        items = [*(f"l.{id}" for id in below.ids), *(f"r.{id}" for id in other.ids)]
        return Relation(select(items, source), ids, weighted=False)

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
        keyed = with_keys(self.node, Relation(rows, node.ids, weighted=True))
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


def _keeps_its_rows(node: Node) -> bool:
    """Whether it is made of tables and joins of them, with no condition that chooses rows."""
    return all(isinstance(each, Scan | Join | Project | Shared) for each in walk_nodes(node))


def _reads_only(condition: Expression, side: Node) -> bool:
    reads = columns_of(condition)
    return bool(reads) and reads <= frozenset(side.ids)


def _equates(condition: Expression, side: Node, other: Node) -> bool:
    """Whether it equates a column of the side with something of the other."""
    match condition:
        case Operator(name=("=",), left=Expression() as left, right=right):
            return any(
                isinstance(here, Column) and here.name in side.ids and _reads_only(there, other)
                for here, there in ((left, right), (right, left))
            )
    return False
