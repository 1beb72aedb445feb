"""The views once more, in plain Python from the words of docs/contract.md §3: loops over a list of events.

Shares no code with tables/ but for the event classes. Also: making events, and reading the feed's records.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from schemas.validation.fast_path import EVENT_TYPES
from tables.codec import EntityKey, WindowedKey, decode_partial, parse_key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000


class Made(NamedTuple):
    """One record of a source partition; `event` None: it was quarantined."""

    name: str
    event: Any
    occurred_us: int
    kafka_ms: int


def make(
    name: str, event_id: str, occurred_us: int, kafka_ms: int, city: str | None = None, **payload: Any
) -> Made:
    """A decoded event; payload fields that are not given and not optional get some value."""
    event_type = EVENT_TYPES[name]
    (payload_type,) = (f.type for f in msgspec.structs.fields(event_type) if f.name == "payload")
    fallback = {
        "currency": "EUR",
        "amount_minor": 0,
        "position": 0,
        "due_at": EPOCH.isoformat(),
        "accept_by": EPOCH.isoformat(),
    }
    values = {f.name: fallback.get(f.name, "x") for f in msgspec.structs.fields(payload_type) if f.required}
    occurred = (EPOCH + timedelta(microseconds=occurred_us)).isoformat()
    event = event_type(
        event_id=event_id,
        version=1,
        occurred_text=occurred,
        source="test",
        city=city,
        payload=payload_type(**(values | payload)),
    )
    return Made(name, event, occurred_us, kafka_ms)


@dataclass
class Limited:
    """The settings that bound the state."""

    pane_minutes: int
    pane_hours: int
    dedupe_seconds: int
    closed_hours: int


@dataclass
class Plain:
    """One source partition, judged record by record."""

    limits: Limited
    first_ms: dict[str, int] = field(default_factory=dict)
    watermark_us: int | None = None
    folded: list[Made] = field(default_factory=list)
    payouts: dict[str, list[Any]] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(
        default_factory=lambda: {"accepted": {}, "duplicate": {}, "late_dropped": {}}
    )

    def take(self, made: Made) -> None:
        """Judge one record, and count it."""
        if made.event is not None:
            outcome = self._judge(made)
            self.counts[outcome][made.name] = self.counts[outcome].get(made.name, 0) + 1

    def _judge(self, made: Made) -> str:
        first = self.first_ms.get(made.event.event_id)
        if first is not None and made.kafka_ms <= first + self.limits.dedupe_seconds * 1000:
            return "duplicate"
        self.first_ms[made.event.event_id] = made.kafka_ms
        newest_us = made.occurred_us if self.watermark_us is None else self.watermark_us
        if made.occurred_us < newest_us - self.limits.pane_hours * HOUR_US:
            return "late_dropped"
        self.watermark_us = max(newest_us, made.occurred_us)
        self.folded.append(made)
        self._forget()
        if made.name.startswith("payout."):
            self._join(made)
            self._forget()
        return "accepted"

    def _join(self, made: Made) -> None:
        rank = ["payout.initiated", "payout.failed", "payout.canceled", "payout.paid"].index(made.name)
        payload = made.event.payload
        due = getattr(payload, "due_at", None)
        due_us = None if due is None else (datetime.fromisoformat(due) - EPOCH) // timedelta(microseconds=1)
        now = [made.occurred_us, rank, made.event.event_id]
        state = self.payouts.setdefault(payload.payout_id, [False, -(1 << 62), -1, ""])
        if now > state[1:4]:
            facts = [payload.currency, payload.amount_minor, due_us, payload.provider_id]
            state[1:] = [*now, made.event.city, *facts]
        state[0] = state[0] or rank == 0

    def _forget(self) -> None:
        assert self.watermark_us is not None
        before = self.watermark_us - self.limits.closed_hours * HOUR_US
        for payout_id, state in list(self.payouts.items()):
            if state[0] and state[2] in (2, 3) and state[1] < before:
                del self.payouts[payout_id]

    def windowed(self) -> dict[str, dict[tuple[Any, ...], list[int]]]:
        """View → (unit, number, group) → sums, for all panes that are kept."""
        if self.watermark_us is None:
            return {}
        minute = self.watermark_us // MINUTE_US
        rolled_until = (minute - self.limits.pane_minutes) // 60 * 60
        totals: dict[str, dict[tuple[Any, ...], list[int]]] = {}
        for made in self.folded:
            number = made.occurred_us // MINUTE_US
            if number // 60 < minute // 60 - self.limits.pane_hours:
                continue
            pane = ("h", number // 60) if number < rolled_until else ("m", number)
            for view, group, sums in _shares(made):
                row = totals.setdefault(view, {}).setdefault((*pane, group), [0] * len(sums))
                row[:] = [old + new for old, new in zip(row, sums, strict=True)]
        return totals


ONE, AMOUNT = "one", "amount"

SHARES: dict[str, list[tuple[str, list[str | None]]]] = {
    "charge.succeeded": [("ops_recon_variance", [AMOUNT, None, None, None])],
    "payout.paid": [("ops_recon_variance", [None, AMOUNT, None, None])],
    "refund.succeeded": [("ops_recon_variance", [None, None, AMOUNT, None])],
    "fee.assessed": [
        ("ops_recon_variance", [None, None, None, AMOUNT]),
        ("kpi_gmv", [None, None, None, None, AMOUNT]),
    ],
    "booking.confirmed": [
        ("kpi_gmv", [ONE, AMOUNT, None, None, None]),
        ("kpi_funnel", [None, None, None, None, ONE]),
    ],
    "booking.cancelled": [("kpi_gmv", [None, None, ONE, AMOUNT, None])],
    "search.impression": [("kpi_funnel", [ONE, None, None, None, None])],
    "search.click": [("kpi_funnel", [None, ONE, None, None, None])],
    "profile.view": [("kpi_funnel", [None, None, ONE, None, None])],
    "checkout.start": [("kpi_funnel", [None, None, None, ONE, None])],
}


def _shares(made: Made) -> Iterable[tuple[str, tuple[Any, ...], list[int]]]:
    """What an event adds to each windowed view: (view, group, sums)."""
    payload, city = made.event.payload, made.event.city
    for view, sums in SHARES.get(made.name, []):
        if view == "kpi_gmv" and made.name == "fee.assessed" and payload.kind != "platform":
            continue
        group = (city,) if view == "kpi_funnel" else (city, payload.currency)
        values = {ONE: 1, AMOUNT: getattr(payload, "amount_minor", 0), None: 0}
        yield view, group, [values[share] for share in sums]


Feed = dict[bytes, bytes]
"""What a compacted feed partition holds: key → newest value."""


def write(feed: Feed, records: Iterable[tuple[bytes, bytes | None]]) -> None:
    """Let records into a feed."""
    for key, value in records:
        if value is None:
            feed.pop(key, None)
        else:
            feed[key] = value


def windowed_in(feed: Feed) -> dict[str, dict[tuple[Any, ...], list[int]]]:
    """The windowed views in a feed, in the form of `Plain.windowed`."""
    found: dict[str, dict[tuple[Any, ...], list[int]]] = {}
    for key, value in feed.items():
        parsed = parse_key(key)
        if isinstance(parsed, WindowedKey):
            for group, row in decode_partial(value):
                sums = [number for number in row if isinstance(number, int)]  # what is sketched apart
                where = (parsed.unit, parsed.number, group)
                assert where not in found.setdefault(parsed.view, {})
                found[parsed.view][where] = sums
    return found


def entities_in(feed: Feed) -> dict[str, list[Any]]:
    """The entities in a feed, by id."""
    return {
        parsed.entity_id: msgspec.msgpack.decode(value)
        for key, value in feed.items()
        if isinstance(parsed := parse_key(key), EntityKey)
    }
