"""The quarantine summed up in bounded memory, and shapes without values."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.quarantine.masked import masked
from agents.quarantine.record import Position, QuarantineRecord
from agents.quarantine.summary import BY, Summary, report
from tests.support.examples import examples


def record(
    number: int, value: bytes | None = b"{}", reason: str = "payload_field", at: str = ""
) -> QuarantineRecord:
    return QuarantineRecord(Position(0, number), "C", reason, "f", "", "t", 0, number, at, None, value)


def test_first_last_open_and_the_newest_ones_shape() -> None:
    summary = Summary(("source", "reason"))
    for number, (at, state) in enumerate(
        [
            ("2026-01-02T00:00:00Z", "open"),
            ("2026-01-03T00:00:00Z", "replayed"),
            ("2026-01-01T00:00:00Z", "open"),
        ]
    ):
        value = json.dumps({"source": "web", "payload": {"n": "x" * (number + 1)}}).encode()
        summary.take(record(number, value, at=at), state)
    (found,) = report(summary, summary.groups())
    assert found == {
        "source": "web", "reason": "payload_field", "records": 3, "open": 2, "first": "2026-01-01T00:00:00Z",
        "last": "2026-01-03T00:00:00Z", "id": "0:1", "sample": {"source": "###", "payload": {"n": "##"}},
    }  # fmt: skip


def test_beyond_the_limit_groups_are_summed() -> None:
    summary = Summary(("reason",), most=2)
    for number in range(10):
        summary.take(record(number, reason=f"r{number % 5}"), "open")
    found = {group.key: group.records for group in summary.groups()}
    assert found == {("_other",): 6, ("r0",): 2, ("r1",): 2}


@pytest.mark.parametrize("by", BY)
def test_any_fact_groups_whatever_a_record_says_of_itself(by: str) -> None:
    summary = Summary((by,))
    summary.take(record(0, b"\xff", reason="\x1b[31m" * 1000, at="when?" * 100), "open")
    ((fact,),) = (group.key for group in summary.groups())
    assert len(fact) <= 128


def test_a_flood_of_sources_takes_no_memory_of_its_own() -> None:
    def taken(count: int) -> int:
        summary = Summary(("source", "reason", "field"), most=200)
        tracemalloc.start()
        try:
            for number in range(count):
                summary.take(record(number, b'{"source":"s%d","pad":"%s"}' % (number, b"x" * 500)), "open")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    taken(300)
    assert taken(6_000) < 2 * taken(600)


def test_masks_keep_names_types_and_the_known_events_name() -> None:
    value = {
        "event": "charge.succeeded", "source": "billing", "version": 1, "city": None, "x": 1.5, "ok": True,
        "alice@example.com": 1, "payload": {"currency": "eur", "list": ["a", 2, 3], "long": "y" * 99},
    }  # fmt: skip
    assert masked(json.dumps(value).encode()) == {
        "event": "charge.succeeded", "source": "#######", "version": "<int>", "city": None, "x": "<number>",
        "ok": "<bool>", "#": "<int>",
        "payload": {"currency": "###", "list": ["#", "<int>", "… 1 more"], "long": "#" * 16},
    }  # fmt: skip
    assert masked(b'{"event":"alice"}') == {"event": "#####"}


def test_what_is_no_json_is_told_by_its_size() -> None:
    assert masked(None) == "<no value>"
    assert masked(b"secret") == "<6 bytes, not JSON>"
    assert masked(b"\x00\x00\x00\x00\x01abc") == "<8 bytes, Avro>"
    assert masked(b"[" * 5000) == "<5,000 bytes, not JSON>"
    deep = b'{"a":' * 20 + b"1" + b"}" * 20
    assert json.dumps(masked(deep)).count("{") == 6


words = st.text(alphabet="abcdefgh", min_size=5, max_size=12)
values = st.recursive(
    st.text(alphabet="qrstuvwxyz", min_size=5) | st.integers(10**6, 10**12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
)


@examples(200)
@given(st.dictionaries(words, values, max_size=5))
def test_no_value_is_in_a_shape(value: dict[str, object]) -> None:
    shape = json.dumps(masked(json.dumps(value).encode()))

    def leaves(item: object) -> list[str]:
        if isinstance(item, dict):
            return [leaf for inner in item.values() for leaf in leaves(inner)]
        if isinstance(item, list):
            return [leaf for inner in item for leaf in leaves(inner)]
        return [str(item)]

    assert not [leaf for leaf in leaves(value) if leaf in shape]
