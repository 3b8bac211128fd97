"""Every day of the year arrives once and settles once, however many batches there are."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pgtrickle.demo.calendar import BEGINNING, YEAR_END, Period, batches
from pgtrickle.demo.errors import DemoError


def days(period: Period) -> list[date]:
    return [
        period.first + timedelta(number) for number in range((period.ending - period.first).days)
    ]


YEAR = days(Period(date(2013, 1, 1), YEAR_END))


@pytest.mark.parametrize("number", [2, 3, 7, 40, 276])
def test_each_day_arrives_once(number: int) -> None:
    arrived = days(BEGINNING)
    for batch in batches(number):
        arrived += days(batch.arriving)
    assert arrived == YEAR


@pytest.mark.parametrize("number", [2, 3, 7, 40, 276])
def test_each_day_settles_once_and_after_it_arrived(number: int) -> None:
    settled: list[date] = []
    for batch in batches(number):
        assert batch.settling.ending <= batch.arriving.first
        settled += days(batch.settling)
    assert settled == YEAR


@pytest.mark.parametrize("number", [-1, 0, 1, 277])
def test_a_number_that_cannot_be_played_is_refused(number: int) -> None:
    with pytest.raises(DemoError, match=str(number)):
        batches(number)
