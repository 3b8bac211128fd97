"""Figures for Prometheus: `pgtrickle worker --metrics PORT`, with the extra `metrics`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pgtrickle.errors import PgTrickleError

if TYPE_CHECKING:
    from pgtrickle.database import Session
    from pgtrickle.engine import Refresh

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Seconds: from a refresh that finds nothing to a large recomputation."""


class MetricsError(PgTrickleError):
    """The metrics cannot be served: a package is missing, or the port is taken."""


class Metrics:
    """What the worker counts; one for the process, a label tells the databases apart."""

    def __init__(self) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ImportError as error:
            raise MetricsError(
                f"Metrics need prometheus-client: {error}.",
                hint="pip install 'dbt-pgtrickle[metrics]', or leave --metrics out.",
            ) from error
        self.registry = CollectorRegistry()

        def named(kind: Any, name: str, text: str, *labels: str, **options: Any) -> Any:
            return kind(
                f"pgtrickle_{name}", text, ("database", *labels), registry=self.registry, **options
            )

        self._refreshes = named(
            Counter,
            "refreshes",
            "Refreshes, by what they did; FAILED and SKIP too",
            "table",
            "action",
        )
        self._seconds = named(
            Histogram, "refresh_seconds", "Time a refresh took", "action", buckets=BUCKETS
        )
        self._changes = named(Counter, "changes", "Captured rows that refreshes read", "table")
        self._rows = named(Counter, "rows", "Rows written to stream tables", "table", "kind")
        self._idle = named(Counter, "idle", "Refreshes that were found needless, all at once")
        self._leading = named(Gauge, "leading", "1 where this worker serves, 0 where it stands by")
        self._tables = named(Gauge, "stream_tables", "Stream tables, by status", "status")
        self._age = named(Gauge, "staleness_seconds", "Time since the last refresh", "table")
        self._lag = named(Gauge, "wal_lag_bytes", "Log the server keeps for the slot")
        self._looked_at: dict[str, set[str]] = {}

    def serve(self, address: str) -> None:
        """Answer at PORT, on this machine alone, or at HOST:PORT. Raises MetricsError."""
        from prometheus_client import start_http_server

        host, _, port = address.rpartition(":")
        try:
            start_http_server(int(port), host or "127.0.0.1", self.registry)
        except (OSError, ValueError) as error:
            raise MetricsError(
                f"Metrics cannot be served at {address}: {error}.",
                hint="Give a free port, or HOST:PORT.",
            ) from error

    def refreshed(self, database: str, done: Iterable[Refresh]) -> None:
        for one in done:
            action = one.action if one.error is None or one.action == "SKIP" else "FAILED"
            self._refreshes.labels(database, one.name, action).inc()
            if action == "SKIP":
                continue
            self._seconds.labels(database, action).observe(one.duration_ms / 1000)
            self._changes.labels(database, one.name).inc(one.changes)
            self._rows.labels(database, one.name, "inserted").inc(one.rows_inserted)
            self._rows.labels(database, one.name, "deleted").inc(one.rows_deleted)

    def passed(self, database: str, idle: Sequence[int]) -> None:
        self._idle.labels(database).inc(len(idle))

    def leading(self, database: str, leads: bool) -> None:
        self._leading.labels(database).set(leads)

    def look(self, database: str, session: Session) -> None:
        """Look up what the catalog says."""
        counts = {"INITIALIZING": 0, "ACTIVE": 0, "SUSPENDED": 0, "ERROR": 0}
        names = set()
        for name, status, age in session.rows(
            "select pgtrickle._quoted(pgt_schema, pgt_name), status,"
            " extract(epoch from clock_timestamp() - last_refresh_at)"
            " from pgtrickle.pgt_stream_tables"
        ):
            counts[status] += 1
            if age is not None:
                names.add(name)
                self._age.labels(database, name).set(float(age))
        for gone in self._looked_at.get(database, set()) - names:
            self._age.remove(database, gone)
        self._looked_at[database] = names
        for status, count in counts.items():
            self._tables.labels(database, status).set(count)
        ((lag,),) = session.rows("select coalesce(lag_bytes, 0) from pgtrickle._wal_slot_state()")
        self._lag.labels(database).set(lag)
