"""Timing sides in pairs: in one run, on one server, in turn, so that a noisy machine is fair."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Side = Callable[[], object]


@dataclass
class Case:
    """What one case took: milliseconds by side, one figure per cycle; the first side is ours.

    `bar` is the ratio of the first side's median to the second's that is to be kept below.
    """

    name: str
    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    bar: float | None = None

    def add(self, times: Mapping[str, float]) -> None:
        for side, milliseconds in times.items():
            self.milliseconds.setdefault(side, []).append(milliseconds)

    def median(self, side: str) -> float:
        return statistics.median(self.milliseconds[side])

    @property
    def sides(self) -> list[str]:
        return list(self.milliseconds)

    @property
    def ratio(self) -> float:
        """Median of ours over that of the first yardstick."""
        ours, yardstick = self.sides[:2]
        return self.median(ours) / self.median(yardstick)


@dataclass
class Result:
    """What a workload measured; `equal` tells that every stream table equalled its query."""

    workload: str
    about: str
    cases: list[Case]
    equal: bool = True
    sizes: dict[str, object] = field(default_factory=dict)

    @property
    def geometric_mean(self) -> float:
        return math.exp(statistics.fmean(math.log(case.ratio) for case in self.cases))


def timed(side: Side) -> float:
    """Milliseconds a call takes."""
    started = time.perf_counter()
    side()
    return (time.perf_counter() - started) * 1000


def in_turn(sides: Mapping[str, Side], cycle: int) -> dict[str, float]:
    """Each side's milliseconds; who goes first changes with the cycle, for the second finds the
    sources in memory."""
    names: Sequence[str] = list(sides)
    order = names[cycle % len(names) :] + names[: cycle % len(names)]
    times = {name: timed(sides[name]) for name in order}
    return {name: times[name] for name in names}
