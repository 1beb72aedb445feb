"""Repairs of bad records: what is set, what is refused, what is said to have changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.quarantine.record import Position, QuarantineRecord
from agents.quarantine.repair import Repair, RepairError, Setting
from tests.support.examples import examples


def record(value: bytes | None) -> QuarantineRecord:
    return QuarantineRecord(Position(0, 1), "", "", "", "", "t", 0, 0, "", None, value)


def repaired(value: bytes | None, *settings: str, edited: bytes | None = None) -> tuple[bytes | None, Any]:
    found = Repair([Setting.of(text) for text in settings], lambda _: edited).apply(record(value))
    return found.value, found.changed


def test_other_members_stay_as_they_were_written() -> None:
    odd = b'{ "event_id":"e", "big":12345678901234567890123, "x":1.50, "payload":{"a":1e2,"currency":"eur"} }'
    value, changed = repaired(odd, "payload.currency=EUR")
    assert value == odd.replace(b" ", b"").replace(b"eur", b"EUR")
    assert changed == ("payload.currency",)


def test_what_is_json_is_set_as_such_and_anything_else_as_text() -> None:
    value, changed = repaired(
        b'{"payload":{}}', "payload.n=7", "payload.s=EUR", 'payload.t="7"', "payload.u=", "city=null",
        "payload.nan=NaN", "payload.e=a=b",
    )  # fmt: skip
    payload = {"n": 7, "s": "EUR", "t": "7", "u": "", "nan": "NaN", "e": "a=b"}
    assert json.loads(value or b"") == {"payload": payload, "city": None}
    assert changed == ("city", *(f"payload.{name}" for name in sorted(payload)))


def test_setting_what_is_there_already_changes_nothing() -> None:
    assert repaired(b'{"city":"ulm"}', "city=ulm")[1] == ()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "no JSON object"), (b"", "no JSON object"), (b"[]", "no JSON object"),
        (b"{", "no JSON object"),
        (b"\x00\x00\x00\x00\x01", "no JSON object"), (b'{"payload":1}', "its payload is no JSON object"),
        (b'{"a":1}', "its payload is no JSON object"), (b'{"a":1,"a":2,"payload":{}}', "a member twice"),
        (b'{"a":"\xff","payload":{}}', "not JSON that all readers read"),
        (b'{"payload":{"a":1,"a":2}}', "a member twice"),
    ],
)  # fmt: skip
def test_what_nothing_can_be_set_in_says_why(value: bytes | None, why: str) -> None:
    with pytest.raises(RepairError, match=why):
        repaired(value, "payload.currency=EUR")


@pytest.mark.parametrize("before", [b"{", None, b'{"event_id":7}', b'{"event_id":"a b"}', b"{}", b"\x00\x01"])
def test_an_edited_record_may_have_any_id_if_there_was_none_that_is_allowed(before: bytes | None) -> None:
    assert repaired(before, edited=b'{"event_id":"e-2"}')[0] == b'{"event_id":"e-2"}'


@pytest.mark.parametrize("after", [b'{"event_id":"e-2"}', b"{}", b'{"event_id":null}'])
def test_an_edited_record_keeps_an_id_that_is_allowed(after: bytes) -> None:
    with pytest.raises(RepairError, match="a replay is the same event"):
        repaired(b'{"event_id":"e-1"}', edited=after)


def test_settings_come_after_the_edit_and_names_that_are_no_words_are_not_told() -> None:
    before = b'{"event_id":"e","alice@example.com":1,"payload":{"bob@x":1}}'
    value, changed = repaired(before, "city=ulm", edited=b'{"event_id":"e","payload":{}}')
    assert json.loads(value or b"") == {"event_id": "e", "payload": {}, "city": "ulm"}
    assert changed == ("#", "city", "payload.#")


def test_what_was_no_object_is_changed_as_a_whole() -> None:
    assert repaired(b"{", edited=b'{"event_id":"e"}')[1] == ("*",)


@examples(200)
@given(
    st.binary(max_size=60) | st.text(max_size=30).map(lambda text: f'{{"payload":{{"{text}":1}}}}'.encode())
)
def test_no_bytes_do_anything_but_be_repaired_or_refused(value: bytes) -> None:
    try:
        done, changed = repaired(value, "payload.currency=EUR")
    except RepairError:
        return
    assert json.loads(done or b"")["payload"]["currency"] == "EUR"
    assert changed
