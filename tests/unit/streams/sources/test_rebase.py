"""Shifting events so that the newest happens now."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from streams.sources.rebase import newest, shift, whole_seconds
from streams.sources.record import Record


def record(value: object) -> Record:
    return Record(1, b"k", value if isinstance(value, bytes) else json.dumps(value).encode())


def test_all_instants_move_and_nothing_else() -> None:
    event = {
        "occurred_at": "2026-02-28T23:59:59.123456789+02:00", "other": "2026-01-01T00:00:00Z",
        "payload": {"payout_id": "p", "due_at": "2026-03-01t00:00:00z", "reason": "on 2026-03-01T00:00:00Z",
                    "amount_minor": 9007199254740991, "nested": {"at": "2026-03-01T00:00:00Z"}},
    }  # fmt: skip
    moved = json.loads(shift(record(event), timedelta(days=1, seconds=1)).value or b"")
    expected = {
        **event,
        "occurred_at": "2026-03-02T00:00:00.123456789+02:00",
        "payload": {**event["payload"], "due_at": "2026-03-02T00:00:01z"},  # type: ignore[dict-item]
    }
    assert moved == expected
    assert list(moved) == list(event)


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff", b"[]", b'{"occurred_at":1}', b'{"occurred_at":"2026-02-30T00:00:00Z"}',
     b'{"occurred_at":"2026-02-01T00:00:00"}', b'{"occurred_at":"9999-12-31T23:59:59Z"}', b"[" * 100_000,
     b'{"occurred_at":"2026-02-01T00:00:00Z","payload":{"amount_minor":1,"amount_minor":2}}',
     b'{"occurred_at":"2026-02-01T00:00:00Z","x":1e999}',
     b'{"occurred_at":"2026-02-01T00:00:00Z","x":[1,2%s]}' % (b"0" * 30)],
)  # fmt: skip
def test_what_has_no_time_stays_byte_for_byte(value: bytes) -> None:
    assert shift(record(value), timedelta(days=1)).value is value


def test_the_newest_is_found_across_offsets_and_bad_lines() -> None:
    times = ["2026-01-01T00:00:00.5Z", "2026-01-01T05:00:00+06:00", "2026-01-01T00:30:00+00:30", "9"]
    records = [record({"occurred_at": at}) for at in times] + [record(b"bad")]
    assert newest(records) == datetime(2026, 1, 1, tzinfo=UTC)
    assert newest([record(b"bad")]) is None


def test_the_shift_never_lands_in_the_future() -> None:
    now = datetime(2026, 6, 1, 12, 0, 0, 999_999, tzinfo=UTC)
    latest = datetime(2026, 6, 1, 11, 0, 0, tzinfo=UTC)
    assert whole_seconds(latest, now) == timedelta(hours=1)
    assert whole_seconds(now + timedelta(seconds=5), now) == timedelta(seconds=-5)
