"""OpenTelemetry: a span for each checkpoint, linked to its producers' traces. Off unless SLUICE_OTLP_ENDPOINT
is set: then nothing of it is imported, and no record is looked at.

What else there is to say (headers with a key, a sampler, resource attributes) is said by OpenTelemetry's own
variables, OTEL_…, which its library reads. Spans wait in its queue of 2,048, and are dropped beyond: a
collector that is slow or away costs a worker nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from agents.quarantine.traces import TRACEPARENT
from streams.settings import SettingError, Settings
from streams.version import VERSION

MOST_LINKS = 32
"""Of one span, each to another trace of a producer."""
MOST_LOOKED_AT = 2_000
"""Records between two checkpoints that are looked at for a `traceparent`."""
FLUSH_SECONDS = 1.0
"""How long a process that ends waits for the collector."""
TRY_SECONDS = 5.0


class Begun(NamedTuple):
    """A checkpoint that is being written: its beginning, and the `traceparent` headers of its records."""

    at_ns: int
    parents: list[bytes]


class PartitionTraces:
    """The spans of one source partition's checkpoints."""

    def __init__(self, tracer: Any, role: str, group: str, topic: str, partition: int) -> None:
        self._tracer = tracer
        self._name = f"{role} checkpoint"
        self._about = {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.destination.name": topic,
            "messaging.destination.partition.id": str(partition),
            "messaging.consumer.group.name": group,
        }
        self._parents: dict[bytes, None] = {}
        self._looked_at = 0

    def look(self, records: Sequence[Any]) -> None:
        """Take the links of records that belong to the next checkpoint."""
        for record in records[: MOST_LOOKED_AT - self._looked_at]:
            if len(self._parents) >= MOST_LINKS:
                return
            self._looked_at += 1
            for name, value in record.headers:
                if name == TRACEPARENT and value is not None:
                    self._parents[value] = None

    def begin(self) -> Begun:
        """What was looked at belongs to the checkpoint that begins now."""
        begun = Begun(time.time_ns(), list(self._parents)[:MOST_LINKS])
        self._parents.clear()
        self._looked_at = 0
        return begun

    def end(
        self, begun: Begun, first: int, following: int, records: int, error: BaseException | None = None
    ) -> None:
        """It is written, or has failed: the records from offset `first` up to `following`, exclusive."""
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415 - see above

        span = self._tracer.start_span(
            self._name,
            kind=SpanKind.CONSUMER,
            links=list(_links(begun.parents)),
            start_time=begun.at_ns,
            attributes={
                **self._about,
                "messaging.batch.message_count": records,
                "sluice.offset.first": first,
                "sluice.offset.next": following,
            },
        )
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        span.end()


@contextmanager
def traced(
    traces: PartitionTraces | None, begun: Begun | None, first: int, following: int, records: int
) -> Iterator[None]:
    """A span of what is written while it lasts, or fails; nothing where traces are off."""
    try:
        yield
    except Exception as error:
        if traces is not None and begun is not None:
            traces.end(begun, first, following, records, error)
        raise
    if traces is not None and begun is not None:
        traces.end(begun, first, following, records)


class Traces:
    """Of one process, until it is closed."""

    def __init__(self, endpoint: str, role: str, group: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        about = Resource.create({"service.name": f"sluice-{role}", "service.version": VERSION})
        self._provider = TracerProvider(resource=about, shutdown_on_exit=False)
        self._exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=TRY_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._role, self._group = role, group

    def of(self, topic: str, partition: int) -> PartitionTraces:
        """Those of a partition that is owned from now on."""
        tracer = self._provider.get_tracer("sluice", VERSION)
        return PartitionTraces(tracer, self._role, self._group, topic, partition)

    def close(self) -> None:
        """Send what is left, for a moment: the library would wait for as long as its tries take."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)
        if ending.is_alive():
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # it tries no longer


@contextmanager
def tracing(settings: Settings, role: str) -> Iterator[Traces | None]:
    """The traces of a role while it lasts; None where they are off. Raises `SettingError`."""
    if not settings.otlp_endpoint:
        yield None
        return
    try:
        traces = Traces(settings.otlp_endpoint, role, settings.group(role))
    except ImportError:
        needed = "used with OpenTelemetry: pip install 'sluice[otlp]'"
        raise SettingError("SLUICE_OTLP_ENDPOINT", settings.otlp_endpoint, needed) from None
    try:
        yield traces
    finally:
        traces.close()


def _links(parents: Sequence[bytes]) -> Iterator[Any]:
    """Links to the spans that `traceparent` headers name; what is none is left out."""
    from opentelemetry.trace import Link, get_current_span  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    read = TraceContextTextMapPropagator()
    for parent in parents:
        context = get_current_span(read.extract({TRACEPARENT: parent.decode("latin-1")})).get_span_context()
        if context.is_valid:
            yield Link(context)
