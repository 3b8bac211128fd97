"""Numbers of rows, and of different values; sums of different values."""

from __future__ import annotations

from pgtrickle.delta.accumulators.parts import (
    GROUP_SIZE,
    Accumulator,
    Input,
    Part,
    Values,
    filter_clause,
    number,
)
from pgtrickle.delta.column_types import INT2, INT4, INT8, NUMERIC
from pgtrickle.delta.relation import is_not_null


def count(call: Input) -> Accumulator:
    if not call.counted:
        return Accumulator((), lambda spell: spell(GROUP_SIZE), is_its_part=True)
    name = f"{call.id}_n"
    part = number(name, call.counted)
    return Accumulator((part,), lambda spell: spell(name), is_its_part=True)


def count_pairs(id: str, arguments: list[str], condition: str) -> Accumulator:
    """regr_count: the rows where neither argument is NULL."""
    name = f"{id}_n"
    present = " AND ".join(map(is_not_null, arguments))
    return Accumulator(
        (number(name, filter_clause(condition, present)),), lambda spell: spell(name)
    )


def count_distinct(call: Input) -> Accumulator | None:
    if call.type is None or call.type.obstacle() is not None:
        return None
    part = _number_of_values(call)
    return Accumulator((part,), lambda spell: spell(part.name), values=_values(call))


def sum_distinct(call: Input) -> Accumulator | None:
    found = _sum_of_values(call)
    if found is None:
        return None
    parts, afresh = found
    n, s = (part.name for part in parts)
    return Accumulator(
        parts,
        lambda spell: f"CASE WHEN {spell(n)} > 0 THEN {spell(s)} END",
        afresh,
        _values(call, summed=True),
    )


def average_distinct(call: Input) -> Accumulator | None:
    found = _sum_of_values(call)
    if found is None:
        return None
    parts, afresh = found
    n, s = (part.name for part in parts)
    return Accumulator(
        parts,
        lambda spell: f"CASE WHEN {spell(n)} > 0 THEN {spell(s)}::numeric / {spell(n)} END",
        afresh,
        _values(call, summed=True),
    )


def _values(call: Input, *, summed: bool = False) -> Values:
    return Values(call.id, call.argument, call.is_counted, stored=True, summed=summed)


def _number_of_values(call: Input) -> Part:
    name = f"{call.id}_n"
    fill = f"count(DISTINCT {call.argument}){call.where()}"
    return Part(name, fill, (), f"coalesce(s.{name}, 0) + coalesce(v_{call.id}.n, 0)")


def _sum_of_values(call: Input) -> tuple[tuple[Part, Part], str] | None:
    """The number and the sum of different values, and when to aggregate afresh.

    Of numeric only where the type fixes the scale: of 1.0 and 1.00 PostgreSQL adds either.
    """
    if call.type is None:
        return None
    stored = {INT2: "bigint", INT4: "bigint", INT8: "numeric"}.get(call.type.oid)
    afresh = ""
    name = f"{call.id}_s"
    if call.type.oid == NUMERIC and call.one_scale:
        stored = "numeric"
        afresh = " OR ".join(
            f"({found} IS NOT NULL AND scale({found}) IS NULL)"
            for found in (f"s.{name}", f"v_{call.id}.s")
        )
    if stored is None:
        return None
    part = Part(
        name,
        f"coalesce(sum(DISTINCT {call.argument}){call.where()}, 0)::{stored}",
        (),
        f"(coalesce(s.{name}, 0) + coalesce(v_{call.id}.s, 0))::{stored}",
    )
    return (_number_of_values(call), part), afresh
