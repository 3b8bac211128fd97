"""OpenTelemetry traces of what the worker does, where the extra `telemetry` is installed.

Where to send them, OpenTelemetry's own variables say (OTEL_EXPORTER_OTLP_ENDPOINT, ...). Without
the extra, or without `start`, a span is nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pgtrickle.errors import PgTrickleError

if TYPE_CHECKING:
    from opentelemetry.trace import Span as RealSpan
    from opentelemetry.trace import Tracer

_tracer: Tracer | None = None


class TelemetryMissingError(PgTrickleError):
    """Traces were asked for and the packages for them are not installed."""


def start() -> None:
    """Send traces from now on. Raises TelemetryMissingError."""
    global _tracer
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TelemetryMissingError(
            f"Traces need OpenTelemetry: {error}.",
            hint="pip install 'dbt-pgtrickle[telemetry]', or leave --traces out.",
        ) from error
    resource = Resource.create({"service.name": "pgtrickle-worker"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    _tracer = trace.get_tracer("pgtrickle")


class Span:
    """What is under way; `set` adds what is known of it."""

    def __init__(self, span: RealSpan | None) -> None:
        self._span = span

    def set(self, **attributes: str | float) -> None:
        if self._span is not None:
            for name, value in attributes.items():
                self._span.set_attribute(f"pgtrickle.{name}", value)


@contextmanager
def span(name: str, **attributes: str | float) -> Iterator[Span]:
    if _tracer is None:
        yield Span(None)
        return
    with _tracer.start_as_current_span(f"pgtrickle {name}") as current:
        opened = Span(current)
        opened.set(**attributes)
        yield opened
