"""How each aggregate is carried from one refresh to the next.

An aggregate keeps some *parts* in the state table. For every part there is: how to compute it
afresh, what the changed rows contribute, and how the two combine. Some combinations cannot be
made from the parts alone (the removed row held the maximum); the accumulator then says under
which condition the group must be aggregated afresh.

| aggregate | parts | afresh when |
|---|---|---|
| count(*), count(x), regr_count | number | never |
| sum, avg of integers; sum of money | sum, number of non-null | never |
| sum, avg of numeric | the same, and a summary of scales | NaN, infinity, scales above 4,000 |
| sum, avg of intervals | the same as of integers | infinity is in play |
| variance, stddev and kin of integers and numeric | sum, sum of squares, number | as sum |
| bool_and, every, bool_or | number of non-null, of false or true | never |
| bit_and, bit_or | for every bit, in how many rows it is set | never |
| bit_xor | the value: a bit taken away flips as one added does | never |
| min, max | the extreme | its last row may have been removed |
| count(distinct x) | number; every value's number of rows in a table of its own | never |
| sum(distinct x), avg(distinct x) | the same, and the sum of the values | NaN is in play |
| any other | the value itself | always |

**Floating point.** sum, avg, variance of float4 and float8 round at every row, and so do covar_*,
corr and the other regr_* functions, whose arguments are float8 whatever was given. PostgreSQL's
own result is one of those that some order of the rows gives; adding and taking away changes gives
numbers that no order does, and they drift. Their groups are aggregated afresh when touched.

**Display scale.** sum(1.0, 1.00) prints 2.00, and prints 1.0 after the second row is gone: the
scale of a numeric sum is the largest scale among its current rows. Where the type of the columns
does not fix it, a linear summary is kept: the sum of 10^(12·scale) over the rows. Its number of
digits tells the largest scale present, exactly, for up to 10^12 rows of one scale. It is NaN, and
the group aggregated afresh, where a scale is so large that the power would be no numeric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pgtrickle.delta.accumulators import bits, counts, extremes, sums
from pgtrickle.delta.accumulators.parts import (
    GROUP_SIZE,
    Accumulator,
    Change,
    Input,
    Part,
    Values,
)
from pgtrickle.delta.state import ColumnType
from pgtrickle.query.expression import Call
from pgtrickle.query.render import render_expression

__all__ = ["GROUP_SIZE", "Accumulator", "Change", "Part", "Values", "accumulator", "whole"]

Rule = Callable[[Input], Accumulator | None]

_RULES: Mapping[str, Rule] = {
    "count": counts.count,
    "sum": sums.total,
    "avg": sums.average,
    "variance": sums.variance(sample=True),
    "var_samp": sums.variance(sample=True),
    "var_pop": sums.variance(sample=False),
    "stddev": sums.deviation(sample=True),
    "stddev_samp": sums.deviation(sample=True),
    "stddev_pop": sums.deviation(sample=False),
    "max": extremes.maximum,
    "min": extremes.minimum,
    "bool_and": bits.boolean("FALSE", "="),
    "every": bits.boolean("FALSE", "="),
    "bool_or": bits.boolean("TRUE", ">"),
    "bit_and": bits.bit_and,
    "bit_or": bits.bit_or,
    "bit_xor": bits.bit_xor,
}
_DISTINCT_RULES: Mapping[str, Rule] = {
    "count": counts.count_distinct,
    "sum": counts.sum_distinct,
    "avg": counts.average_distinct,
    "max": extremes.maximum,
    "min": extremes.minimum,
    # Once or many times, a value counts the same.
    "bool_and": bits.boolean("FALSE", "="),
    "every": bits.boolean("FALSE", "="),
    "bool_or": bits.boolean("TRUE", ">"),
    "bit_and": bits.bit_and,
    "bit_or": bits.bit_or,
}


def accumulator(
    id: str, call: Call, type: ColumnType | None, *, not_null: bool, one_scale: bool
) -> Accumulator:
    """The accumulator of one aggregate call.

    `type` is the type of its only argument (None without one, or with several); `not_null` tells
    that the argument is never NULL, `one_scale` that all its values have as many decimals.
    """
    plain = not (call.order_by or call.within_group) and not any(
        a.variadic or a.name for a in call.arguments
    )
    if len(call.name) != 1 or not plain or (type is not None and not type.compares):
        return whole(id, call)
    condition = "" if call.filter is None else render_expression(call.filter)
    arguments = [render_expression(each.value) for each in call.arguments]
    if call.name == ("regr_count",) and not call.distinct:
        return counts.count_pairs(id, arguments, condition)
    rule = (_DISTINCT_RULES if call.distinct else _RULES).get(call.name[0])
    if rule is None or len(arguments) != (0 if call.star else 1):
        return whole(id, call)
    never_null = call.star or not_null
    found = rule(Input(id, "".join(arguments), type, condition, never_null, one_scale))
    return found or whole(id, call)


def whole(id: str, call: Call) -> Accumulator:
    """Any aggregate: the value is kept, and computed afresh when its group is touched."""
    name = f"{id}_v"
    part = Part(name, render_expression(call), (), None)
    return Accumulator((part,), lambda spell: spell(name), afresh="true", is_open=True)
