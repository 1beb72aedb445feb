"""Keys: all events of an entity share one."""

from __future__ import annotations

import pytest

from streams.sources.envelope import key_of


@pytest.mark.parametrize(
    ("payload", "key"),
    [
        (b'{"payout_id":"po","provider_id":"p","booking_id":"b"}', b"po"),
        (b'{"dispute_id":"d","charge_id":"c"}', b"d"),
        (b'{"charge_id":"c","booking_id":"b"}', b"b"),
        (b'{"refund_id":"r","charge_id":"c"}', b"c"),
        (b'{"fee_id":"f","booking_id":null}', b"f"),
        (b'{"booking_id":"b","user_id":"u"}', b"b"),
        (b'{"session_id":"s","user_id":"u","listing_id":"l"}', b"s"),
        (b'{"user_id":"\\u00e9"}', "é".encode()),
        (b'{"booking_id":7}', None),
        (b'{"user_id":"\\ud800"}', None),
        (b'{"user_id":""}', None),
        (b"{}", None),
    ],
)
def test_the_id_that_the_event_is_about_is_its_key(payload: bytes, key: bytes | None) -> None:
    assert key_of(b'{"event":"x.y","payload":' + payload + b"}") == key


@pytest.mark.parametrize("value", [b"", b"not json", b"[1]", b'{"payload":[]}', b'{"payload":1', b"\xff\xfe"])
def test_what_is_no_envelope_has_no_key(value: bytes) -> None:
    assert key_of(value) is None


def test_deep_nesting_has_no_key_and_does_no_harm() -> None:
    assert key_of(b'{"payload":{"x":' + b"[" * 100_000) is None
