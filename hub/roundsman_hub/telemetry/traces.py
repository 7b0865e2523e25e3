"""Traces from frame to commit, and on to what is derived: OpenTelemetry, over OTLP/HTTP, when somebody listens.

    ingest.batch ─┬─ ingest.frame × n    vehicle, session, lane, numbers: which frames, and what became of them
                  ├─ ingest.commit       the transaction, its retries inside
                  └─ ingest.acks
          └─► (with the notice) derive.catch_up ── derive.vehicle × n

Nothing is imported, and nothing costs anything, unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Then the SDK is needed (the extra
`[traces]`); its own environment variables (`OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS`, …) hold.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from roundsman_hub import HubError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
MOST_FRAMES: Final = 200
"""Frames of a batch that get a span of their own; a backlog's batch has a thousand."""


class TracesMissing(HubError):
    """An endpoint is set, and the SDK is not installed."""


class Traces:
    """This process's tracer; without an endpoint, one that does nothing."""

    def __init__(self) -> None:
        self._tracer: Tracer | None = None
        self._provider: TracerProvider | None = None

    @property
    def on(self) -> bool:
        return self._tracer is not None

    def start(self, role: str) -> None:
        """Begin, if an endpoint is set.

        Raises
        ------
        TracesMissing
            The SDK is not installed.
        """
        if not os.environ.get(ENDPOINT):
            return
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            raise TracesMissing(f"{ENDPOINT} is set, and the SDK is not installed: pip install 'roundsman[traces]'") from None
        whose = {"service.name": "roundsman", "service.instance.id": f"{role}-{os.getpid()}"}
        self._provider = TracerProvider(resource=Resource.create(whose))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("roundsman")

    def stop(self) -> None:
        """Send what is left."""
        if self._provider is not None:
            self._provider.shutdown()
        self._provider = self._tracer = None

    @contextlib.contextmanager
    def span(self, name: str, parent: str = "", **attributes: Any) -> Iterator[Any]:
        """A span around the block, below the one that is open on this thread, or below `parent` (a W3C traceparent). None when off."""
        if self._tracer is None:
            yield None
            return
        with self._tracer.start_as_current_span(name, context=_context(parent), attributes=attributes) as span:
            yield span

    def mark(self, name: str, **attributes: Any) -> None:
        """A span without a length, below the one that is open on this thread."""
        if self._tracer is not None:
            self._tracer.start_span(name, attributes=attributes).end()

    def parent(self) -> str:
        """The open span as a W3C traceparent, for another process to go on from; empty when there is none."""
        if self._tracer is None:
            return ""
        from opentelemetry.propagate import inject

        carrier: dict[str, str] = {}
        inject(carrier)
        return carrier.get("traceparent", "")


def _context(parent: str) -> Any:
    if not parent:
        return None
    from opentelemetry.propagate import extract

    return extract({"traceparent": parent})


TRACES = Traces()
"""This process's own."""
