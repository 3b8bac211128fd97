"""Timing sides in pairs: in one run, on one server, in turn, so that a noisy machine is fair."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Side = Callable[[], object]


@dataclass
class Case:
    """What one case took: milliseconds by side, one figure per cycle; the first side is ours.

    `bars` are, by yardstick, the ratios of our median to theirs that are to be kept below.
    """

    name: str
    bars: dict[str, float] = field(default_factory=dict)
    milliseconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, times: Mapping[str, float]) -> None:
        for side, milliseconds in times.items():
            self.milliseconds.setdefault(side, []).append(milliseconds)

    def median(self, side: str) -> float:
        return statistics.median(self.milliseconds[side])

    @property
    def sides(self) -> list[str]:
        return list(self.milliseconds)

    def ratio(self, yardstick: str) -> float:
        """Our median over theirs."""
        return self.median(self.sides[0]) / self.median(yardstick)


@dataclass
class Result:
    """What a workload measured; `equal` tells that every stream table equalled its query."""

    workload: str
    about: str
    cases: list[Case]
    equal: bool = True
    sizes: Mapping[str, object] = field(default_factory=dict)

    def geometric_mean(self, yardstick: str) -> float:
        """Of the ratios to a yardstick, over the cases that have it."""
        measured = [case for case in self.cases if yardstick in case.milliseconds]
        return math.exp(statistics.fmean(math.log(case.ratio(yardstick)) for case in measured))


def timed(side: Side) -> float:
    """Milliseconds a call takes."""
    started = time.perf_counter()
    side()
    return (time.perf_counter() - started) * 1000


def in_turn(sides: Mapping[str, Side], cycle: int) -> dict[str, float]:
    """Each side's milliseconds; who goes first changes with the cycle, for the second finds the
    sources in memory."""
    names = list(sides)
    order = names[cycle % len(names) :] + names[: cycle % len(names)]
    times = {name: timed(sides[name]) for name in order}
    return {name: times[name] for name in names}
