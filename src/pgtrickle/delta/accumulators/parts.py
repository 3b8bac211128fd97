"""What an accumulator is made of, and the call that it accumulates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pgtrickle.delta.relation import WEIGHT, is_not_null
from pgtrickle.delta.state import ColumnType

INTERVAL, MONEY, BIT = 1186, 790, 1560
GROUP_SIZE = "__n"
"""State column: how many rows a group has."""

Spell = Callable[[str], str]
"""Spells a part's name, old or new, in the expression of an aggregate's value."""


@dataclass(frozen=True, slots=True)
class Change:
    """What the changed rows of a group contribute to a part. SQL texts:

    `sql` aggregates it over weighted child rows; `again` over the column `name`, which has it for
    each of the parts that the rows were divided into. It is None where that is not worth doing for
    rows of which it is not known yet whether they count: it takes long, or may fail.
    """

    name: str
    sql: str
    again: str | None


def summing(name: str, value: str, clause: str, zero: str, type: str) -> Change:
    """The sum of `value`, of `type`, over the rows of a FILTER clause; `zero` without any."""
    return Change(
        name,
        f"coalesce(sum({value}){clause}, {zero})::{type}",
        f"coalesce(sum({name}), {zero})::{type}",
    )


@dataclass(frozen=True, slots=True)
class Part:
    """One state column. SQL texts:

    `fill` aggregates the part afresh from child rows. `step` combines the old value ``s.<name>``
    (NULL for a new group) with the changes ``g.<name>`` and the accumulator's `Values`; it is None
    where a part cannot be carried forward.
    """

    name: str
    fill: str
    changes: tuple[Change, ...]
    step: str | None


@dataclass(frozen=True, slots=True)
class Values:
    """What an accumulator must know of single values: the change of each one's number of rows.

    `condition` chooses the rows that count. Where `stored`, the number of rows of every value is
    kept, and ``v_<id>.n`` tells by how much the number of different values changed, ``v_<id>.s``
    by how much their sum did if they are `summed`. Else ``v_<id>.n`` is the change of the value
    that equals `wanted`, NULL for none; and for groups of changes ``g`` that `concern` it not.
    """

    id: str
    argument: str
    condition: str
    stored: bool
    wanted: str = ""
    concern: str = ""
    summed: bool = False

    @property
    def alias(self) -> str:
        return f"v_{self.id}"


@dataclass(frozen=True, slots=True)
class Accumulator:
    """An aggregate's parts; `afresh` is a condition ('' never, 'true' always).

    It reads ``s`` (the state), ``g`` (the changes of the group) and ``v_<id>`` (its `values`).
    `finish` gives the aggregate's value; it is called with a function that spells a part's name.
    `is_open`: PostgreSQL may give several values for the same rows, by their order. `is_its_part`:
    in a group that has rows, the value is the accumulator's only part (without parts, the group's
    size), and of its type. `rarely`: `afresh` holds for values that hardly anybody stores (NaN,
    infinity).
    """

    parts: tuple[Part, ...]
    finish: Callable[[Spell], str]
    afresh: str = ""
    values: Values | None = None
    is_open: bool = False
    is_its_part: bool = False
    rarely: bool = False


@dataclass(frozen=True, slots=True)
class Input:
    """The call being accumulated: its attribute id, argument text and type, and conditions.

    `one_scale`: of a numeric argument, that all its values have as many decimals.
    """

    id: str
    argument: str
    type: ColumnType | None
    filter: str
    not_null: bool
    one_scale: bool

    @property
    def is_counted(self) -> str:
        """Condition of the rows with a non-null argument ('' for all rows).

        (IS NOT NULL would look into composite values.)
        """
        conditions = [self.filter] if self.filter else []
        if not self.not_null:
            conditions.append(is_not_null(self.argument))
        return " AND ".join(conditions)

    @property
    def counted(self) -> str:
        """FILTER clause of the rows with a non-null argument ('' for all rows)."""
        return filter_clause(self.filter, "" if self.not_null else is_not_null(self.argument))

    def where(self, condition: str = "") -> str:
        return filter_clause(self.filter, condition)


def filter_clause(*conditions: str) -> str:
    present = [condition for condition in conditions if condition]
    return f" FILTER (WHERE {' AND '.join(present)})" if present else ""


def number(name: str, clause: str) -> Part:
    """How many rows satisfy the FILTER clause."""
    change = summing(name, WEIGHT, clause, "0", "bigint")
    return Part(name, f"count(*){clause}", (change,), f"coalesce(s.{name}, 0) + g.{name}")


def counted(call: Input) -> tuple[tuple[Part, ...], str]:
    """The part that counts non-null arguments, and its name."""
    if not call.counted:
        return (), GROUP_SIZE
    name = f"{call.id}_n"
    return (number(name, call.counted),), name
