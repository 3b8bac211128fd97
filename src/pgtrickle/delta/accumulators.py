"""How each aggregate is carried from one refresh to the next.

An aggregate keeps some *parts* in the state table. For every part there is: how to compute it
afresh, what the changed rows contribute, and how the two combine. Some combinations cannot be
made from the parts alone (the removed row held the maximum); the accumulator then says under
which condition the group must be aggregated afresh.

| aggregate | parts | afresh when |
|---|---|---|
| count(*), count(x) | number | never |
| sum, avg of integers | sum, number of non-null | never |
| sum, avg of numeric | the same, and a summary of scales | NaN or infinity is in play |
| bool_and, every, bool_or | number of non-null, of false or true | never |
| min, max | the extreme | its last row may have been removed |
| count(distinct x) | number; every value's number of rows in a table of its own | never |
| any other | the value itself | always |

**Display scale.** sum(1.0, 1.00) prints 2.00, and prints 1.0 after the second row is gone: the
scale of a numeric sum is the largest scale among its current rows. Where the column's type does
not fix it, a linear summary is kept: the sum of 10^(12·scale) over the rows. Its number of digits
tells the largest scale present, exactly, for up to 10^12 rows of one scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pgtrickle.delta.relation import WEIGHT
from pgtrickle.delta.state import ColumnType
from pgtrickle.query.expression import Call
from pgtrickle.query.render import render_expression

INT2, INT4, INT8, NUMERIC = 21, 23, 20, 1700
GROUP_SIZE = "__n"
"""State column: how many rows a group has."""


@dataclass(frozen=True, slots=True)
class Part:
    """One state column. SQL texts:

    `fill` aggregates the part afresh from child rows. `changes` are (name, aggregate over
    weighted child rows). `step` combines the old value ``s.<name>`` (NULL for a new group) with
    the changes ``g.<name>`` and the accumulator's `Values`; it is None where a part cannot be
    carried forward.
    """

    name: str
    fill: str
    changes: tuple[tuple[str, str], ...]
    step: str | None


@dataclass(frozen=True, slots=True)
class Values:
    """What an accumulator must know of single values: the change of each one's number of rows.

    `condition` chooses the rows that count. Where `stored`, the number of rows of every value is
    kept, and ``v_<id>.n`` tells by how much the number of different values changed. Else
    ``v_<id>.n`` is the change of the value that equals `wanted`, NULL for none.
    """

    id: str
    argument: str
    condition: str
    stored: bool
    wanted: str = ""

    @property
    def alias(self) -> str:
        return f"v_{self.id}"


@dataclass(frozen=True, slots=True)
class Accumulator:
    """An aggregate's parts; `afresh` is a condition ('' never, 'true' always).

    It reads ``s`` (the state), ``g`` (the changes of the group) and ``v_<id>`` (its `values`).
    `finish` gives the aggregate's value; it is called with a function that spells a part's name.
    """

    parts: tuple[Part, ...]
    finish: Callable[[Callable[[str], str]], str]
    afresh: str = ""
    values: Values | None = None


@dataclass(frozen=True, slots=True)
class _Input:
    """The call being accumulated: its attribute id, argument text and type, and conditions."""

    id: str
    argument: str
    type: ColumnType | None
    filter: str
    not_null: bool

    @property
    def is_counted(self) -> str:
        """Condition of the rows with a non-null argument ('' for all rows)."""
        conditions = [self.filter] if self.filter else []
        if not self.not_null:
            conditions.append(f"{self.argument} IS NOT NULL")
        return " AND ".join(conditions)

    @property
    def counted(self) -> str:
        """FILTER clause of the rows with a non-null argument ('' for all rows)."""
        return _filter_clause(self.filter, "" if self.not_null else f"{self.argument} IS NOT NULL")

    def where(self, condition: str = "") -> str:
        return _filter_clause(self.filter, condition)


def _filter_clause(*conditions: str) -> str:
    present = [condition for condition in conditions if condition]
    return f" FILTER (WHERE {' AND '.join(present)})" if present else ""


def accumulator(id: str, call: Call, type: ColumnType | None, not_null: bool) -> Accumulator:
    """The accumulator of one aggregate call.

    `type` is the type of its only argument (None without one, or with several); `not_null` tells
    that the argument is never NULL.
    """
    plain = not (call.order_by or call.within_group) and not any(
        a.variadic or a.name for a in call.arguments
    )
    rules = _DISTINCT_RULES if call.distinct else _RULES
    rule = rules.get(call.name[0]) if len(call.name) == 1 and plain else None
    if rule is None or len(call.arguments) != (0 if call.star else 1):
        return whole(id, call)
    condition = "" if call.filter is None else render_expression(call.filter)
    argument = "" if call.star else render_expression(call.arguments[0].value)
    found = rule(_Input(id, argument, type, condition, call.star or not_null))
    return found or whole(id, call)


def whole(id: str, call: Call) -> Accumulator:
    """Any aggregate: the value is kept, and computed afresh when its group is touched."""
    name = f"{id}_v"
    part = Part(name, render_expression(call), (), None)
    return Accumulator((part,), lambda spell: spell(name), afresh="true")


def _number(name: str, clause: str) -> Part:
    """How many rows satisfy the FILTER clause."""
    change = f"coalesce(sum({WEIGHT}){clause}, 0)::bigint"
    return Part(name, f"count(*){clause}", ((name, change),), f"coalesce(s.{name}, 0) + g.{name}")


def _count(call: _Input) -> Accumulator:
    if not call.counted:
        return Accumulator((), lambda spell: spell(GROUP_SIZE))
    name = f"{call.id}_n"
    return Accumulator((_number(name, call.counted),), lambda spell: spell(name))


def _counted(call: _Input) -> tuple[tuple[Part, ...], str]:
    """The part that counts non-null arguments, and its name."""
    if not call.counted:
        return (), GROUP_SIZE
    name = f"{call.id}_n"
    return (_number(name, call.counted),), name


def _sum(call: _Input) -> Accumulator | None:
    total = _total(call)
    if total is None:
        return None
    parts, value, number, afresh = total
    return Accumulator(
        parts,
        lambda spell: f"CASE WHEN {spell(number)} > 0 THEN {value(spell)} END",
        afresh,
    )


def _avg(call: _Input) -> Accumulator | None:
    total = _total(call)
    if total is None:
        return None
    parts, value, number, afresh = total
    return Accumulator(
        parts,
        lambda spell: (
            f"CASE WHEN {spell(number)} > 0 THEN {value(spell)}::numeric / {spell(number)} END"
        ),
        afresh,
    )


_Spell = Callable[[str], str]


def _total(call: _Input) -> tuple[tuple[Part, ...], Callable[[_Spell], str], str, str] | None:
    """Parts of a sum, its value, the name of the count, and when to aggregate afresh."""
    if call.type is None:
        return None
    counts, number = _counted(call)
    name = f"{call.id}_s"
    x = call.argument
    signed_of = {
        INT2: (f"{WEIGHT} * {x}::bigint", "bigint"),
        INT4: (f"{WEIGHT} * {x}::bigint", "bigint"),
        INT8: (f"{WEIGHT} * {x}::numeric", "numeric"),
        NUMERIC: (f"CASE WHEN {WEIGHT} > 0 THEN {x} ELSE - {x} END", "numeric"),
    }
    if call.type.oid not in signed_of:
        return None
    signed, stored = signed_of[call.type.oid]
    total = Part(
        name,
        f"coalesce(sum({x}){call.where()}, 0)::{stored}",
        ((name, f"coalesce(sum({signed}){call.where()}, 0)::{stored}"),),
        f"coalesce(s.{name}, 0) + g.{name}",
    )
    if call.type.oid != NUMERIC:
        return (*counts, total), lambda spell: spell(name), number, ""
    afresh = " OR ".join(
        f"({side}.{name} IS NOT NULL AND scale({side}.{name}) IS NULL)" for side in ("s", "g")
    )
    if "(" in call.type.name:
        return (*counts, total), lambda spell: spell(name), number, afresh
    digits = f"{call.id}_d"
    power = f"('1e' || 12 * scale({x}))::numeric"
    scales = Part(
        digits,
        f"coalesce(sum({power}){call.where()}, 0)",
        ((digits, f"coalesce(sum({WEIGHT} * {power}){call.where()}, 0)"),),
        f"coalesce(s.{digits}, 0) + g.{digits}",
    )

    def value(spell: _Spell) -> str:
        return f"round({spell(name)}, (length({spell(digits)}::text) - 1) / 12)"

    return (*counts, total, scales), value, number, afresh


def _count_distinct(call: _Input) -> Accumulator | None:
    if call.type is None or not call.type.hashable:
        return None
    name = f"{call.id}_n"
    part = Part(
        name,
        f"count(DISTINCT {call.argument}){call.where()}",
        (),
        f"coalesce(s.{name}, 0) + coalesce(v_{call.id}.n, 0)",
    )
    values = Values(call.id, call.argument, call.is_counted, stored=True)
    return Accumulator((part,), lambda spell: spell(name), values=values)


def _extreme(function: str, choose: str, beyond: str) -> Callable[[_Input], Accumulator]:
    """The best of what was and what came is still there unless its last row was removed.

    It is there if its number of rows rose, or if it was the extreme before and kept that number.
    """

    def rule(call: _Input) -> Accumulator:
        name, added, removed = f"{call.id}_m", f"{call.id}_a", f"{call.id}_r"
        best = f"{choose}(s.{name}, g.{added})"
        part = Part(
            name,
            f"{function}({call.argument}){call.where()}",
            (
                (added, f"{function}({call.argument}){call.where(f'{WEIGHT} > 0')}"),
                (removed, f"{function}({call.argument}){call.where(f'{WEIGHT} < 0')}"),
            ),
            best,
        )
        if call.type is None or not call.type.hashable:
            gone = f"coalesce(g.{removed} {beyond} {best}, g.{removed} IS NOT NULL)"
            return Accumulator((part,), lambda spell: spell(name), gone)
        change = f"coalesce(v_{call.id}.n, 0)"
        there = f"{change} > 0 OR ({change} = 0 AND {best} = s.{name})"
        afresh = (
            f"(coalesce(g.{removed} {beyond} {best}, g.{removed} IS NOT NULL)"
            f" AND NOT coalesce({there}, false))"
        )
        values = Values(call.id, call.argument, call.is_counted, stored=False, wanted=best)
        return Accumulator((part,), lambda spell: spell(name), afresh, values)

    return rule


def _boolean(value: str, decide: str) -> Callable[[_Input], Accumulator]:
    """`value`: the values counted; `decide`: the result from their number."""

    def rule(call: _Input) -> Accumulator:
        counts, number = _counted(call)
        name = f"{call.id}_b"
        part = _number(name, call.where(f"{call.argument} IS {value}"))
        return Accumulator(
            (*counts, part),
            lambda spell: f"CASE WHEN {spell(number)} > 0 THEN {spell(name)} {decide} 0 END",
        )

    return rule


_DISTINCT_RULES: dict[str, Callable[[_Input], Accumulator | None]] = {
    "count": _count_distinct,
    "max": _extreme("max", "greatest", ">="),
    "min": _extreme("min", "least", "<="),
}
_RULES: dict[str, Callable[[_Input], Accumulator | None]] = {
    "count": _count,
    "sum": _sum,
    "avg": _avg,
    "max": _extreme("max", "greatest", ">="),
    "min": _extreme("min", "least", "<="),
    "bool_and": _boolean("FALSE", "="),
    "every": _boolean("FALSE", "="),
    "bool_or": _boolean("TRUE", ">"),
}
