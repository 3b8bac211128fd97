"""What could not be done is left alone for a while that grows."""

from __future__ import annotations

import itertools

from pgtrickle.worker.backoff import Resting, backoff


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [max(backoff(failures, 2.0) for _ in range(200)) for failures in range(8)]
    assert all(a <= b * 1.35 for a, b in itertools.pairwise(pauses))
    assert 0.075 <= pauses[0] <= 0.1
    assert 1.5 <= pauses[-1] <= 2.0
    assert backoff(10_000) <= 30.0


def test_what_failed_rests_longer_each_time_in_a_row() -> None:
    resting = Resting(longest=2.0)
    assert resting.seconds(0.0) is None
    resting.failed(7, now=100.0)
    assert resting.ids(100.05) == {7}
    assert resting.ids(100.11) == frozenset()
    for _ in range(9):
        resting.failed(7, now=200.0)
    assert resting.ids(201.4) == {7}
    assert resting.ids(202.1) == frozenset()
    resting.failed(8, now=200.0)
    seconds = resting.seconds(200.0)
    assert seconds is not None
    assert seconds <= 0.1
    resting.succeeded(7)
    resting.failed(7, now=300.0)
    assert resting.ids(300.11) == frozenset()
