"""Which days of 2013 are there from the beginning, and which belong to which batch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from .errors import DemoError

FIRST_DAY = date(2013, 1, 1)
PLAY_FROM = date(2013, 4, 1)
YEAR_END = date(2014, 1, 1)


@dataclass(frozen=True)
class Period:
    """The days from `first` until, not including, `ending`."""

    first: date
    ending: date

    def __post_init__(self) -> None:
        if self.ending < self.first:
            raise ValueError(f"a period ends before it begins: {self.first}, {self.ending}")


BEGINNING = Period(FIRST_DAY, PLAY_FROM)


@dataclass(frozen=True)
class Batch:
    """What happens at once: flights of `arriving` come in, those of `settling` become final."""

    arriving: Period
    settling: Period


def batches(number: int) -> list[Batch]:
    """The rest of the year in `number` batches of equal length, but for a day.

    The flights of one batch settle in the next; so the last one brings no new flights. Raises
    `DemoError` for a number that the 275 days cannot be divided into.
    """
    days = (YEAR_END - PLAY_FROM).days
    if not 1 < number <= days + 1:
        raise DemoError(f"The demo plays between 2 and {days + 1} batches, not {number}.")
    bounds = [PLAY_FROM + timedelta(days * index // (number - 1)) for index in range(number)]
    arriving = [Period(*days) for days in pairwise(bounds)]
    nothing = Period(YEAR_END, YEAR_END)
    return [
        Batch(*periods)
        for periods in zip([*arriving, nothing], [BEGINNING, *arriving], strict=True)
    ]
