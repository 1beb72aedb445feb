"""Whatever the bytes: each record of a batch has an outcome, the same alone as among others, and to find it
takes work and memory in proportion to the bytes."""

from __future__ import annotations

import gc
import json
import random
import sys
import tracemalloc
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import EVENTS
from schemas.validation.reasons import Quarantined
from schemas.validation.validator import Validator
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.views import VIEWS
from tests.support.examples import examples

NOW_MS = 1_790_000_000_000
LARGEST = 65_536
VALIDATOR = Validator(LARGEST)
READERS = PartitionState("t", VIEWS.values(), Limits(60, 48, 60, 1)).readers
CALLS_PER_BYTE, CALLS_PER_RECORD = 2, 3_000
MEMORY_PER_BYTE, MEMORY = 120, 2 << 20
"""Bounds of the work in calls of functions, and of the memory in bytes: many times what is usual, so that
only what grows otherwise than in proportion is beyond them."""

HOSTILE = [
    b"[" * 30_000, b'{"a":' * 12_000, b'{"payload":' * 5_000 + b"1" + b"}" * 5_000,
    b'"' + b"\\u0041" * 10_000,
    b"1" * 60_000, b"-" * 60_000, b"1e" + b"9" * 60_000, b'"' + b"\xc3\xa9" * 30_000 + b'"',
    b'{' + b",".join(b'"a%d":1' % number for number in range(6_000)) + b"}",
    b'{' + b",".join(b'"a":1' for _ in range(9_000)) + b"}", b" " * 65_000 + b"1",
    b"\x00" * 65_536,
    b"\x00\x00\x00\x00\x01" + b"\xff" * 60_000, b"\xef\xbb\xbf{}", b"nul", b"\xff\xfe{\x00}\x00",
]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def uncollected() -> Iterator[None]:
    """Hypothesis is called back by the garbage collector: where nesting has used up the stack, that fails."""
    gc.disable()
    yield
    gc.enable()


def event_bytes(name: str, changes: dict[str, Any], payload: dict[str, Any]) -> bytes:
    envelope = {
        "event_id": "e", "event": name, "version": 1, "occurred_at": "2026-03-01T12:00:00Z", "source": "s",
        "payload": {**EVENTS[name].examples[0], **payload}, **changes,
    }  # fmt: skip
    return json.dumps(envelope).encode()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
members = st.dictionaries(
    st.sampled_from(["event_id", "event", "version", "occurred_at", "city", "payload", "Event", "x"]),
    anything,
    max_size=3,
)
fields = st.dictionaries(
    st.sampled_from(["amount_minor", "currency", "user_id", "covariate", "valid", "Valid", "y"]),
    anything,
    max_size=3,
)
events = st.builds(event_bytes, st.sampled_from(sorted(EVENTS)), members, fields)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An event with bytes cut out, put in or repeated."""
    value = draw(events)
    start = draw(st.integers(0, len(value)))
    end = draw(st.integers(start, len(value)))
    return (
        value[:start]
        + draw(st.binary(max_size=8))
        + value[start:end] * draw(st.integers(0, 20))
        + value[end:]
    )


values = st.one_of(
    st.none(), st.binary(max_size=200), anything.map(json.dumps).map(str.encode), events, damaged(),
    st.sampled_from(HOSTILE),
)  # fmt: skip


def judged(batch: list[bytes | None]) -> list[Any]:
    """Each record's class, or its verdict."""
    decoded = VALIDATOR.decode_batch(batch, [NOW_MS] * len(batch), READERS)
    found: list[Any] = list(decoded.kinds)
    for place, verdict in decoded.bad:
        assert found[place] is None
        found[place] = verdict
    assert len(found) == len(batch)
    assert None not in found
    return found


def outcome(value: bytes | None) -> Any:
    alone = VALIDATOR.validate(value, NOW_MS)
    return alone if isinstance(alone, Quarantined) else alone.__class__


@examples(300, chaos=20_000)
@given(st.lists(values, min_size=1, max_size=12))
def test_every_record_has_an_outcome_and_the_same_one_alone(batch: list[bytes | None]) -> None:
    assert judged(batch) == [outcome(value) for value in batch]


class Calls:
    """How many calls of functions there were, of Python's and of others."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _frame: FrameType, event: str, _argument: Any) -> None:
        self.count += event in ("call", "c_call")


@examples(100, chaos=5_000)
@given(st.lists(values, min_size=1, max_size=6))
def test_work_and_memory_are_in_proportion_to_the_bytes(batch: list[bytes | None]) -> None:
    size = sum(len(value or b"") for value in batch)
    calls = Calls()
    sys.setprofile(calls)
    try:
        judged(batch)
    finally:
        sys.setprofile(None)
    assert calls.count <= CALLS_PER_BYTE * size + CALLS_PER_RECORD * len(batch)
    tracemalloc.start()
    try:
        judged(batch)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= MEMORY_PER_BYTE * size + MEMORY


def test_a_hostile_batch_takes_no_more_than_its_records() -> None:
    """Many at a time, in any order, among good ones."""
    draw = random.Random(1)
    good = event_bytes("checkout.start", {}, {})
    batch: list[bytes | None] = [*HOSTILE, *[good] * 100]
    draw.shuffle(batch)
    assert judged(batch) == [outcome(value) for value in batch]
