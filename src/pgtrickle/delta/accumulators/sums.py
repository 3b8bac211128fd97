"""Sums, averages, variances and standard deviations, where they are exact.

PostgreSQL computes the variance of integers and of numeric from exact sums, as the quotient

    (N·Σx² - (Σx)²) / (N·(N-1))        or / N² over the whole population

rounded as every division is, so that the same sums give the same digits here. Its square root is
rounded to the scale of that quotient. sqrt() gives more digits; rounding those once more could, at
a tie, go up where the root lies below, and is then taken back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pgtrickle.delta.accumulators.parts import (
    INTERVAL,
    MONEY,
    Accumulator,
    Change,
    Input,
    Part,
    Spell,
    counted,
    summing,
)
from pgtrickle.delta.column_types import INT2, INT4, INT8, NUMERIC
from pgtrickle.delta.relation import WEIGHT

NOT_A_NUMBER = "'NaN'::numeric"
MOST_DIGITS = 4000
"""Where a value has more after the point, its group is aggregated afresh: 10^(12 * scale) fits in
no numeric beyond 10,900, nor the square of the value beyond 8,191."""


@dataclass(frozen=True, slots=True)
class Sum:
    """The parts of a sum, its value, the name of the count, and when to aggregate afresh.

    `scale` gives the display scale of the sum where its values may have several.
    """

    parts: tuple[Part, ...]
    value: Callable[[Spell], str]
    number: str
    afresh: str = ""
    scale: Callable[[Spell], str] | None = None


def total(call: Input) -> Accumulator | None:
    found = _sum(call)
    if found is None:
        return None
    return Accumulator(
        found.parts,
        lambda spell: f"CASE WHEN {spell(found.number)} > 0 THEN {found.value(spell)} END",
        found.afresh,
        is_its_part=len(found.parts) == 1,
        rarely=True,
    )


def average(call: Input) -> Accumulator | None:
    found = _sum(call)
    if found is None or call.type is None or call.type.oid == MONEY:
        return None
    of, by = "numeric", ""
    if call.type.oid == INTERVAL:
        of, by = "interval", "::double precision"

    def finish(spell: Spell) -> str:
        n = spell(found.number)
        return f"CASE WHEN {n} > 0 THEN {found.value(spell)}::{of} / {n}{by} END"

    return Accumulator(found.parts, finish, found.afresh, rarely=True)


def variance(*, sample: bool) -> Callable[[Input], Accumulator | None]:
    return lambda call: _spread(call, sample, lambda quotient: quotient)


def deviation(*, sample: bool) -> Callable[[Input], Accumulator | None]:
    return lambda call: _spread(call, sample, _root)


def _root(quotient: str) -> str:
    """The square root of a quotient, at its scale. `h` is half a unit of the last digit."""
    return (
        "(SELECT CASE WHEN (r.r - r.h) * (r.r - r.h) > r.q"
        " THEN round(r.r - 2 * r.h, scale(r.q)) ELSE r.r END"
        " FROM (SELECT q.q, round(sqrt(q.q), scale(q.q)) AS r,"
        " ('5e-' || (scale(q.q) + 1))::numeric AS h"
        f" FROM (SELECT {quotient} AS q) AS q) AS r)"
    )


def _spread(call: Input, sample: bool, of: Callable[[str], str]) -> Accumulator | None:
    """`of` the variance, from the number of values, their sum and the sum of their squares."""
    found = _sum(call)
    if found is None or call.type is None or call.type.oid in (MONEY, INTERVAL):
        return None
    name = f"{call.id}_q"
    square = f"{call.argument}::numeric * {call.argument}"
    squares = Part(
        name,
        f"coalesce(sum({square}){call.where()}, 0)",
        (Change(name, f"coalesce(sum({_signed(square)}){call.where()}, 0)", None),),
        f"coalesce(s.{name}, 0) + g.{name}",
    )

    def finish(spell: Spell) -> str:
        n, s, q = spell(found.number), f"({found.value(spell)})::numeric", spell(name)
        if found.scale is not None:
            q = f"coalesce(round({q}, 2 * {found.scale(spell)}), {q})"
        over = f"{n}::numeric * ({n} - 1)" if sample else f"{n}::numeric * {n}"
        above = f"({n} * {q} - {s} * {s})"
        return (
            f"CASE WHEN {n} <= {int(sample)} THEN NULL WHEN scale({s}) IS NULL"
            f" THEN {NOT_A_NUMBER} WHEN {above} <= 0 THEN 0 ELSE {of(f'{above} / ({over})')} END"
        )

    return Accumulator((*found.parts, squares), finish, found.afresh, rarely=True)


def _signed(numeric: str) -> str:
    """A numeric with the sign of the row's weight. (NaN times -1 is NaN, as is - NaN.)"""
    return f"CASE WHEN {WEIGHT} > 0 THEN {numeric} ELSE - ({numeric}) END"


def _sum(call: Input) -> Sum | None:
    if call.type is None:
        return None
    counts, number = counted(call)
    name = f"{call.id}_s"
    x = call.argument
    if call.type.oid == INTERVAL:
        return _of_intervals(call, counts, number)
    of_type = {
        INT2: (f"{WEIGHT} * {x}::bigint", "bigint"),
        INT4: (f"{WEIGHT} * {x}::bigint", "bigint"),
        INT8: (f"{WEIGHT} * {x}::numeric", "numeric"),
        NUMERIC: (_signed(x), "numeric"),
        MONEY: (f"{x} * {WEIGHT}", "money"),
    }
    if call.type.oid not in of_type:
        return None
    signed, stored = of_type[call.type.oid]
    zero = f"'0'::{stored}"
    summed = Part(
        name,
        f"coalesce(sum({x}){call.where()}, {zero})::{stored}",
        (summing(name, signed, call.where(), zero, stored),),
        f"coalesce(s.{name}, {zero}) + g.{name}",
    )
    parts = (*counts, summed)
    if call.type.oid != NUMERIC:
        return Sum(parts, lambda spell: spell(name), number)
    afresh = _is_special(name)
    if call.one_scale:
        return Sum(parts, lambda spell: spell(name), number, afresh)
    digits = f"{call.id}_d"
    power = (
        f"CASE WHEN scale({x}) > {MOST_DIGITS} THEN {NOT_A_NUMBER}"
        f" ELSE ('1e' || 12 * scale({x}))::numeric END"
    )
    scales = Part(
        digits,
        f"coalesce(sum({power}){call.where()}, 0)",
        (summing(digits, f"{WEIGHT} * {power}", call.where(), "0", "numeric"),),
        f"coalesce(s.{digits}, 0) + g.{digits}",
    )

    def scale(spell: Spell) -> str:
        known = f"scale({spell(digits)}) IS NOT NULL"
        return f"CASE WHEN {known} THEN (length({spell(digits)}::text) - 1) / 12 END"

    return Sum(
        (*parts, scales),
        lambda spell: f"coalesce(round({spell(name)}, {scale(spell)}), {spell(name)})",
        number,
        f"{afresh} OR {_is_special(digits)}",
        scale,
    )


def _of_intervals(call: Input, counts: tuple[Part, ...], number: str) -> Sum:
    """Sums of intervals; changes by infinite ones are counted apart, for they cannot be added."""
    x, name, infinite = call.argument, f"{call.id}_s", f"{call.id}_i"
    zero = "'0'::interval"
    finite, other = call.where(f"isfinite({x})"), call.where(f"NOT isfinite({x})")
    summed = Part(
        name,
        f"coalesce(sum({x}){call.where()}, {zero})",
        (
            summing(name, _signed(x), finite, zero, "interval"),
            summing(infinite, "1", other, "0", "bigint"),
        ),
        f"coalesce(s.{name}, {zero}) + g.{name}",
    )
    afresh = f"NOT isfinite(s.{name}) OR g.{infinite} > 0"
    return Sum((*counts, summed), lambda spell: spell(name), number, afresh)


def _is_special(name: str) -> str:
    """Whether a numeric of the state, or of the changes of a group, is NaN or infinite.

    A group that is new has no state, where it is NULL.
    """
    return " OR ".join(
        f"({side}.{name} IS NOT NULL AND scale({side}.{name}) IS NULL)" for side in ("s", "g")
    )
