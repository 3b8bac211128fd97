"""What the demo measured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import Any

DIFFERENTIAL = "DIFFERENTIAL"


@dataclass
class TableOutcome:
    """One stream table over the whole play. Times are seconds, as the client saw them."""

    name: str
    rows_changed: int = 0  # inserted and deleted; a row that changes is one of each
    actions: Counter[str] = field(default_factory=Counter)
    # Differential refresh and recomputation of the same state of the sources.
    pairs: list[tuple[float, float]] = field(default_factory=list)
    equal: bool | None = None  # not known before `verify`

    @property
    def refresh_seconds(self) -> float | None:
        return median(refreshed for refreshed, _ in self.pairs) if self.pairs else None

    @property
    def recompute_seconds(self) -> float | None:
        return median(recomputed for _, recomputed in self.pairs) if self.pairs else None

    @property
    def ratio(self) -> float | None:
        """How many times longer the recomputation takes."""
        refreshed, recomputed = self.refresh_seconds, self.recompute_seconds
        return recomputed / refreshed if refreshed and recomputed is not None else None

    def record(self) -> dict[str, Any]:
        return {
            "stream_table": self.name,
            "rows_changed": self.rows_changed,
            "refreshes": sum(self.actions.values()),
            "actions": dict(self.actions),
            "refresh_ms": _milliseconds(self.refresh_seconds),
            "recompute_ms": _milliseconds(self.recompute_seconds),
            "ratio": None if self.ratio is None else round(self.ratio, 1),
            "equal": self.equal,
        }


@dataclass
class Outcome:
    """The whole run. `dsn` names the database it was made in."""

    tables: list[TableOutcome]
    dsn: str = ""
    inserted: int = 0
    corrected: int = 0
    withdrawn: int = 0
    batches: int = 0
    build_seconds: float = 0.0
    play_seconds: float = 0.0

    @property
    def equal(self) -> bool:
        """Whether every table was found equal to its query."""
        return all(table.equal is True for table in self.tables)

    def record(self) -> dict[str, Any]:
        return {
            "flights": {
                "inserted": self.inserted,
                "corrected": self.corrected,
                "withdrawn": self.withdrawn,
            },
            "batches": self.batches,
            "dsn": self.dsn,
            "build_seconds": round(self.build_seconds, 1),
            "play_seconds": round(self.play_seconds, 1),
            "equal": self.equal,
            "stream_tables": [table.record() for table in self.tables],
        }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
