"""The page about conformance, and the list it is made from."""

from __future__ import annotations

from tests.dbt.conformance import report, suite


def test_every_class_is_run_or_has_a_reason() -> None:
    names = [name for names in suite.OF_DBT_POSTGRES.values() for name in names]
    assert len(names) == len(set(names))
    assert set(names) >= suite.ADAPTED | suite.QUICK | suite.INAPPLICABLE.keys()
    assert report.changes().keys() == suite.ADAPTED


def test_the_page_is_up_to_date() -> None:
    assert report.PAGE.read_text() == report.page()
