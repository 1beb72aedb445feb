"""An OpenTelemetry collector: a real HTTP server that reads what OTLP's exporter posts."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.receiver import Receiver

PATH = "/v1/traces"


class Span(NamedTuple):
    """A span as it came: attributes by name, and the trace ids of its links."""

    name: str
    service: str
    attributes: dict[str, Any]
    links: list[str]
    failed: bool
    nanoseconds: int


def spans_of(receiver: Receiver) -> list[Span]:
    """All spans that came, in order."""
    return [span for one in receiver.taken(PATH) for span in _spans(one.body, one.headers)]


def _spans(body: bytes, headers: Any) -> Iterator[Span]:
    data = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
    request = ExportTraceServiceRequest.FromString(data)
    for resource in request.resource_spans:
        service = _attributes(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    span.name, service, _attributes(span.attributes),
                    [one.trace_id.hex() for one in span.links],
                    span.status.code == 2, span.end_time_unix_nano - span.start_time_unix_nano,
                )  # fmt: skip


def _attributes(given: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in given}
