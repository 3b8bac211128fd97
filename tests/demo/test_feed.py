"""The year played into `nyc` ends as it was published, less the withdrawn flights."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import scalar_row

from pgtrickle.demo import data
from pgtrickle.demo.calendar import BEGINNING, batches
from pgtrickle.demo.outcome import Outcome
from pgtrickle.demo.play import begin, change

EVERY = 25  # only flights that are estimated at first


@pytest.fixture
def feed(connection: psycopg.Connection) -> Iterator[psycopg.Cursor[int]]:
    data.load(connection, every=EVERY)
    with connection.cursor(row_factory=scalar_row) as cursor:
        yield cursor


def count(feed: psycopg.Cursor[int], query: str) -> int:
    found = feed.execute(query).fetchone()  # type: ignore[arg-type]
    assert found is not None
    return found


def test_the_published_year_is_loaded(feed: psycopg.Cursor[int]) -> None:
    assert count(feed, "select count(*) from feed.flights") == 336_776 // EVERY
    assert count(feed, "select count(*) from feed.weather") == 26_115
    assert count(feed, "select count(*) from nyc.planes") == 3_322
    assert count(feed, "select count(*) from nyc.airports") == 1_458
    assert count(feed, "select count(*) from nyc.airlines") == 16


def test_arrivals_are_estimates_until_they_are_corrected(feed: psycopg.Cursor[int]) -> None:
    begin(feed.connection, BEGINNING)
    estimated = """
        select count(*) from nyc.flights where arr_delay is not null and arr_delay <> dep_delay
    """
    assert count(feed, estimated) == 0
    change(feed.connection, batches(2)[0], Outcome([]))
    assert count(feed, estimated + " and flight_date < '2013-04-01'") > 2_000


def test_at_the_end_the_year_is_as_published_less_what_was_withdrawn(
    feed: psycopg.Cursor[int],
) -> None:
    outcome = Outcome([])
    arrived = begin(feed.connection, BEGINNING)
    for batch in batches(5):
        change(feed.connection, batch, outcome)
    assert arrived + outcome.inserted == 336_776 // EVERY
    assert outcome.corrected > 10_000
    assert outcome.withdrawn > 50
    assert count(feed, "select count(*) from nyc.weather") == 26_115
    assert count(feed, "select count(*) from nyc.airlines where name = 'Endeavor Air Inc.'") == 1
    published = """
        select flight_id, flight_date, dep_time, arr_time, arr_delay, tailnum
        from feed.flights where dep_time is not null or tailnum is not null
    """
    known = "select flight_id, flight_date, dep_time, arr_time, arr_delay, tailnum from nyc.flights"
    assert count(feed, f"select count(*) from ({known} except all {published}) as d") == 0
    assert count(feed, f"select count(*) from ({published} except all {known}) as d") == 0
