"""The trace of a bad record: what is shown of it looks like an id, and is no text of its producer."""

from __future__ import annotations

import pytest

from agents.quarantine.traces import LARGEST_BYTES, trace_id_of

PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(("value", "headers", "found"), [
    (b'{"trace_id":"t-1","payload":3}', [], "t-1"),
    (b'{"trace_id":"t-1"}', [("traceparent", PARENT)], "t-1"),
    (b'{"trace_id":null}', [("traceparent", PARENT)], TRACE),
    (b'{"trace_id":7}', [("Traceparent", PARENT)], TRACE),
    (b"no json", [("x", None), ("traceparent", PARENT)], TRACE),
    (None, [("traceparent", PARENT)], TRACE),
    (b"\x00\x00\x00\x00\x01x", [("traceparent", PARENT)], TRACE),
    (b'{"trace_id":"my name is hunter"}', [], None),
    (b'{"trace_id":"a\\nb"}', [], None),
    (b'{"trace_id":"' + b"x" * 129 + b'"}', [], None),
    (b'{"trace_id":"' + b"\xff" + b'"}', [], None),
    (b"[" * 100_000, [], None),
    (b'{"trace_id":"t-1"}' + b" " * LARGEST_BYTES, [], None),
    (b"", [("traceparent", b"00-xyz")], None),
    (b"", [("traceparent", None)], None),
])  # fmt: skip
def test_what_a_record_says_of_its_trace(
    value: bytes | None, headers: list[tuple[str, bytes | None]], found: str | None
) -> None:
    assert trace_id_of(value, headers) == found
