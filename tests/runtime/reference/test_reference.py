"""The page about the SQL contract, and that all of the contract is in it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.runtime.reference import contract, report

Connection = psycopg.Connection[Any]
NAMES = (Path(__file__).parent / "names.txt").read_text().split()
"""Functions and views of pg_trickle 0.67."""


@pytest.fixture
def plain(runtime: str) -> Any:
    with psycopg.connect(runtime, autocommit=True) as connection:
        yield connection


def test_each_name_of_the_contract_is_offered_or_has_a_reason() -> None:
    offered = list(itertools.chain.from_iterable(contract.SECTIONS.values()))
    left_out = list(itertools.chain.from_iterable(contract.NOT_OFFERED))
    assert len({*offered, *left_out}) == len(offered) + len(left_out)
    assert {*offered, *left_out} - contract.OURS == set(NAMES)
    assert set(offered) >= contract.OURS
    assert contract.OURS.isdisjoint(NAMES)


def test_what_is_offered_is_there_and_nothing_else(plain: Connection) -> None:
    assert set(itertools.chain.from_iterable(contract.SECTIONS.values())) == set(
        report.offered(plain)
    )


def test_the_page_is_up_to_date(plain: Connection) -> None:
    assert report.PAGE.read_text() == report.page(plain)


def test_every_event_that_is_sent_is_described() -> None:
    runtime = Path(report.__file__).parents[3] / "src" / "pgtrickle" / "runtime"
    text = "".join(file.read_text() for file in runtime.glob("*.sql"))
    for event in contract.EVENTS:
        assert f"'{event}'" in text, event
