"""Aggregates of booleans and of bits.

Of how many rows have each bit, all bits together make one number: the bits of a value written as
decimal digits, twelve for each bit (1 as 000000000001). Such numbers add up, exactly for up to
10^12 rows, and tell which bits are set in any row. bit_and counts the bits that are not set.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pgtrickle.delta.accumulators.parts import (
    BIT,
    Accumulator,
    Change,
    Input,
    Part,
    Spell,
    counted,
    number,
)
from pgtrickle.delta.column_types import INT2, INT4, INT8
from pgtrickle.delta.relation import WEIGHT


def boolean(value: str, decide: str) -> Callable[[Input], Accumulator]:
    """`value`: the values counted; `decide`: the result from their number."""

    def rule(call: Input) -> Accumulator:
        counts, n = counted(call)
        name = f"{call.id}_b"
        part = number(name, call.where(f"{call.argument} IS {value}"))
        return Accumulator(
            (*counts, part),
            lambda spell: f"CASE WHEN {spell(n)} > 0 THEN {spell(name)} {decide} 0 END",
        )

    return rule


def bit_xor(call: Input) -> Accumulator:
    counts, n = counted(call)
    name = f"{call.id}_x"
    value = f"bit_xor({call.argument}){call.where()}"
    step = f"coalesce(s.{name} # g.{name}, s.{name}, g.{name})"
    part = Part(name, value, (Change(name, value, None),), step)
    return Accumulator(
        (*counts, part), lambda spell: f"CASE WHEN {spell(n)} > 0 THEN {spell(name)} END"
    )


def bit_or(call: Input) -> Accumulator | None:
    return _by_counts(call, negation="")


def bit_and(call: Input) -> Accumulator | None:
    return _by_counts(call, negation="~ ")


def _by_counts(call: Input, negation: str) -> Accumulator | None:
    form = _form(call)
    if form is None:
        return None
    to_bits, width, from_bits = form
    counts, n = counted(call)
    name = f"{call.id}_c"
    written = f"({negation}({call.argument}{to_bits}))::text"
    digits = (
        f"replace(replace(translate({written}, '01', 'ab'), 'a', '{'0' * 12}'),"
        f" 'b', '{'1'.zfill(12)}')::numeric"
    )
    part = Part(
        name,
        f"coalesce(sum({digits}){call.where()}, 0)",
        (Change(name, f"coalesce(sum({WEIGHT} * {digits}){call.where()}, 0)", None),),
        f"coalesce(s.{name}, 0) + g.{name}",
    )

    def finish(spell: Spell) -> str:
        padded = f"lpad({spell(name)}::text, {12 * width}, '0')"
        is_set = f"substr(c.c, 12 * i + 1, 12) <> '{'0' * 12}'"
        bits = (
            f"(SELECT string_agg(CASE WHEN {is_set} THEN '1' ELSE '0' END, '' ORDER BY i)"
            f" FROM (SELECT {padded} AS c) AS c, generate_series(0, {width - 1}) AS i)"
        )
        value = f"({negation}{bits}::bit({width})){from_bits}"
        return f"CASE WHEN {spell(n)} > 0 THEN {value} END"

    return Accumulator((*counts, part), finish)


def _form(call: Input) -> tuple[str, int, str] | None:
    """How the argument is cast to bits, how many these are, and the cast back."""
    if call.type is None:
        return None
    integers = {
        INT2: ("::integer::bit(32)", 32, "::integer::smallint"),
        INT4: ("::bit(32)", 32, "::integer"),
        INT8: ("::bit(64)", 64, "::bigint"),
    }
    if call.type.oid in integers:
        return integers[call.type.oid]
    width = re.fullmatch(r"bit\((\d+)\)", call.type.name)
    return ("", int(width[1]), "") if call.type.oid == BIT and width else None
