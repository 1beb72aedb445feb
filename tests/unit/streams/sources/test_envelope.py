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
        (b'{"campaign_id":"c","session_id":"s"}', b"c"),
        (b'{"quote_id":"q","studio_id":"st"}', b"q"),
        (b'{"check_id":"ch","user_id":"u"}', b"ch"),
        (b'{"user_id":"\\u00e9"}', "é".encode()),
        (b'{"booking_id":7}', None),
        (b'{"user_id":"\\ud800"}', None),
        (b'{"user_id":""}', None),
        (b"{}", None),
    ],
)
def test_the_id_that_the_event_is_about_is_its_key(payload: bytes, key: bytes | None) -> None:
    assert key_of(b'{"event":"x.y","payload":' + payload + b"}") == key


def test_a_checkout_is_keyed_by_its_user_as_an_exposure_is() -> None:
    payload = b'"payload":{"session_id":"s","user_id":"u","listing_id":"l"}}'
    assert key_of(b'{"event":"checkout.start",' + payload) == b"u"
    assert key_of(b'{"event":"search.click",' + payload) == b"s"
    assert key_of(b'{"event":"experiment.exposure","payload":{"exp_key":"e","user_id":"u"}}') == b"u"


@pytest.mark.parametrize("value", [b"", b"not json", b"[1]", b'{"payload":[]}', b'{"payload":1', b"\xff\xfe"])
def test_what_is_no_envelope_has_no_key(value: bytes) -> None:
    assert key_of(value) is None


def test_deep_nesting_has_no_key_and_does_no_harm() -> None:
    assert key_of(b'{"payload":{"x":' + b"[" * 100_000) is None
