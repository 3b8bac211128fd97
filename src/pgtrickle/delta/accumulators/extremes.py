"""min and max."""

from __future__ import annotations

from pgtrickle.delta.accumulators.parts import Accumulator, Change, Input, Part, Values
from pgtrickle.delta.relation import WEIGHT, is_not_null


def maximum(call: Input) -> Accumulator:
    return _extreme(call, "max", "greatest", ">=")


def minimum(call: Input) -> Accumulator:
    return _extreme(call, "min", "least", "<=")


def _extreme(call: Input, function: str, choose: str, beyond: str) -> Accumulator:
    """The best of what was and what came is still there unless its last row was removed.

    It is there if its number of rows rose, or if it was the extreme before and kept that number;
    that is counted in groups where the best that came is as good as the best that went.
    Of 1.0 and 1.00, the one that is shown may be gone though the other came.
    """
    name, added, removed = f"{call.id}_m", f"{call.id}_a", f"{call.id}_r"
    best = f"{choose}(s.{name}, g.{added})"
    part = Part(
        name,
        f"{function}({call.argument}){call.where()}",
        tuple(
            Change(side, f"{function}({call.argument}){call.where(of_side)}", f"{function}({side})")
            for side, of_side in ((added, f"{WEIGHT} > 0"), (removed, f"{WEIGHT} < 0"))
        ),
        best,
    )
    if call.type is None or not (call.type.hashable and call.type.bitwise):
        gone = f"coalesce(g.{removed} {beyond} {best}, {is_not_null(f'g.{removed}')})"
        is_open = call.type is None or not call.type.bitwise
        return Accumulator((part,), lambda spell: spell(name), gone, None, is_open, True)
    change = f"coalesce(v_{call.id}.n, 0)"
    there = f"{change} > 0 OR ({change} = 0 AND {best} = s.{name})"
    # Where no row with the removed value came, its number fell: it need not be counted.
    came = f"g.{added} = g.{removed}"
    afresh = (
        f"(coalesce(g.{removed} {beyond} {best}, {is_not_null(f'g.{removed}')})"
        f" AND NOT coalesce({came} AND ({there}), false))"
    )
    values = Values(
        call.id, call.argument, call.is_counted, stored=False, wanted=best, concern=came
    )
    return Accumulator((part,), lambda spell: spell(name), afresh, values, is_its_part=True)
