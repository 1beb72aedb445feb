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
from tables.codec import decode_partial
from tables.keys import EntityKey, WindowedKey, parse_key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000


class Made(NamedTuple):
    """One record of a source partition; `event` None: it was quarantined."""

    name: str
    event: Any
    occurred_us: int
    kafka_ms: int


TOLD_BAD = ("payload_field", "charge.failed", "shop", "ulm")
"""Reason, event, source and city of a bad record that tells them; another one is no JSON."""


def tells(bad: Made) -> bool:
    """Whether this bad record is one of which event, source and city can be read."""
    return len(bad.name) % 2 == 0


FALLBACK = {
    "currency": "EUR",
    "amount_minor": 0,
    "position": 0,
    "due_at": EPOCH.isoformat(),
    "accept_by": EPOCH.isoformat(),
    "respond_by": EPOCH.isoformat(),
    "score": 0.0,
    "covariate": None,
}


def make(
    name: str, event_id: str, occurred_us: int, kafka_ms: int, city: str | None = None, **payload: Any
) -> Made:
    """A decoded event; payload fields that are not given and not optional get some value."""
    event_type = EVENT_TYPES[name]
    (payload_type,) = (f.type for f in msgspec.structs.fields(event_type) if f.name == "payload")
    values = {f.name: FALLBACK.get(f.name, "x") for f in msgspec.structs.fields(payload_type) if f.required}
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
    bad: list[Made] = field(default_factory=list)
    """With the time that counts for each."""
    entities: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    """(view, id) → opened, time, rank, event_id, city, and what the view keeps."""
    of_cities: dict[tuple[str, str], dict[str | None, list[Any]]] = field(default_factory=dict)
    """(view, id) → city → the same of its events alone, without `opened`."""
    counts: dict[str, dict[str, int]] = field(
        default_factory=lambda: {"accepted": {}, "duplicate": {}, "late_dropped": {}}
    )

    def take(self, made: Made) -> None:
        """Judge one record, and count it."""
        if made.event is None:
            before_us = self.watermark_us or 0
            self.bad.append(
                made._replace(occurred_us=made.kafka_ms * 1000 if made.kafka_ms >= 0 else before_us)
            )
        else:
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
        for view, life in LIVES.items():
            if made.name in life.events:
                self._join(view, life, made)
        self._forget()
        return "accepted"

    def _join(self, view: str, life: Life, made: Made) -> None:
        rank = life.events.index(made.name)
        payload = made.event.payload
        entity_id = ":".join(getattr(payload, name) for name in life.id_fields)
        now = [made.occurred_us, rank, made.event.event_id]
        state = self.entities.setdefault((view, entity_id), [False, -(1 << 62), -1, ""])
        latest = [*now, made.event.city, *(_fact(payload, name) for name in life.kept)]
        if now > state[1:4]:
            state[1:] = latest
        state[0] = state[0] or rank == 0
        cities = self.of_cities.setdefault((view, entity_id), {})
        if now > cities.setdefault(made.event.city, latest)[:3]:
            cities[made.event.city] = latest

    def _forget(self) -> None:
        assert self.watermark_us is not None
        before = self.watermark_us - self.limits.closed_hours * HOUR_US
        for (view, entity_id), state in list(self.entities.items()):
            if state[0] and state[2] in LIVES[view].closing and state[1] < before:
                del self.entities[view, entity_id], self.of_cities[view, entity_id]

    def elsewhere(self) -> dict[tuple[str, str], dict[str, list[Any]]]:
        """The entities of several cities, and their states in each but the latest one, null apart."""
        found = {
            key: {
                city: [self.entities[key][0], *latest]
                for city, latest in cities.items()
                if city is not None and city != self.entities[key][4]
            }
            for key, cities in self.of_cities.items()
        }
        return {key: cities for key, cities in found.items() if cities}

    def windowed(self) -> dict[str, dict[tuple[Any, ...], list[int]]]:
        """View → (unit, number, group) → sums, for all panes that are kept."""
        minute = -(1 << 40) if self.watermark_us is None else self.watermark_us // MINUTE_US
        rolled_until = (minute - self.limits.pane_minutes) // 60 * 60
        totals: dict[str, dict[tuple[Any, ...], list[int]]] = {}
        for made in (*self.folded, *self.bad):
            number = made.occurred_us // MINUTE_US
            if number // 60 < minute // 60 - self.limits.pane_hours:
                continue
            pane = ("h", number // 60) if number < rolled_until else ("m", number)
            for view, group, sums in _shares(made):
                row = totals.setdefault(view, {}).setdefault((*pane, group), [0] * len(sums))
                row[:] = [old + new for old, new in zip(row, sums, strict=True)]
        return totals


class Life(NamedTuple):
    """The entities of a view: what names one, its events by rank, the ranks that close it, what is kept."""

    id_fields: list[str]
    events: list[str]
    closing: list[int]
    kept: list[str]


LIVES = {
    "ops_payout_backlog": Life(
        ["payout_id"],
        ["payout.initiated", "payout.failed", "payout.canceled", "payout.paid"],
        [2, 3],
        ["currency", "amount_minor", "due_at", "provider_id"],
    ),
    "ops_dispute_queue": Life(
        ["dispute_id"],
        ["dispute.opened", "dispute.responded", "dispute.resolved"],
        [2],
        ["currency", "amount_minor", "respond_by", "charge_id"],
    ),
    "ops_acceptance_windows": Life(
        ["booking_id"],
        ["booking.requested", "booking.expired", "booking.declined", "booking.accepted"],
        [1, 2, 3],
        ["accept_by", "provider_id"],
    ),
    "trust_risk": Life(
        ["subject_kind", "subject_id"],
        ["risk.scored"],
        [],
        ["subject_kind", "subject_id", "bucket", "score"],
    ),
    "promo_spend": Life(
        ["currency", "campaign_id"], ["promo.budget"], [], ["campaign_id", "currency", "amount_minor"]
    ),
}


def _fact(payload: Any, name: str) -> Any:
    value = getattr(payload, name, None)
    if name not in ("due_at", "respond_by", "accept_by") or value is None:
        return value
    return (datetime.fromisoformat(value) - EPOCH) // timedelta(microseconds=1)


ONE, AMOUNT, QUANTITY = "one", "amount", "quantity"

WIDTHS = {
    "ops_recon_variance": 4,
    "kpi_gmv": 5,
    "kpi_funnel": 5,
    "trust_idv": 6,
    "trust_dispute_outcomes": 7,
    "promo_performance": 3,
    "promo_spend": 1,
    "comms_delivery": 5,
    "comms_digest": 1,
    "studio_ops": 8,
    "ops_quarantine": 2,
}
"""How many sums each windowed view has."""

GROUPS = {
    "ops_recon_variance": ["city", "currency"],
    "kpi_gmv": ["city", "currency"],
    "kpi_funnel": ["city"],
    "trust_idv": ["city"],
    "trust_dispute_outcomes": ["city", "currency"],
    "promo_performance": ["campaign_id", "city"],
    "promo_spend": ["campaign_id", "currency", "city"],
    "comms_delivery": ["channel", "city"],
    "comms_digest": ["reason", "city"],
    "studio_ops": ["city"],
    "ops_quarantine": ["source", "event", "reason", "city"],
}
"""By what each windowed view is kept."""

SHARES: dict[str, list[tuple[str, dict[int, str]]]] = {
    "charge.succeeded": [("ops_recon_variance", {0: AMOUNT})],
    "payout.paid": [("ops_recon_variance", {1: AMOUNT})],
    "refund.succeeded": [("ops_recon_variance", {2: AMOUNT})],
    "fee.assessed": [("ops_recon_variance", {3: AMOUNT}), ("kpi_gmv", {4: AMOUNT})],
    "booking.confirmed": [("kpi_gmv", {0: ONE, 1: AMOUNT}), ("kpi_funnel", {4: ONE})],
    "booking.cancelled": [("kpi_gmv", {2: ONE, 3: AMOUNT})],
    "search.impression": [("kpi_funnel", {0: ONE})],
    "search.click": [("kpi_funnel", {1: ONE})],
    "profile.view": [("kpi_funnel", {2: ONE})],
    "checkout.start": [("kpi_funnel", {3: ONE})],
    "idv.started": [("trust_idv", {0: ONE})],
    "idv.passed": [("trust_idv", {1: ONE})],
    "idv.failed": [("trust_idv", {2: ONE})],
    "bg.started": [("trust_idv", {3: ONE})],
    "bg.passed": [("trust_idv", {4: ONE})],
    "bg.failed": [("trust_idv", {5: ONE})],
    "dispute.opened": [("trust_dispute_outcomes", {0: ONE})],
    "promo.spend": [("promo_spend", {0: AMOUNT})],
    "message.sent": [("comms_delivery", {0: ONE})],
    "message.delivered": [("comms_delivery", {1: ONE})],
    "message.bounced": [("comms_delivery", {2: ONE})],
    "message.complained": [("comms_delivery", {3: ONE})],
    "message.opted_out": [("comms_delivery", {4: ONE})],
    "digest.suppressed": [("comms_digest", {0: ONE})],
    "studio.verification_requested": [("studio_ops", {0: ONE})],
    "studio.verified": [("studio_ops", {1: ONE})],
    "studio.rejected": [("studio_ops", {2: ONE})],
    "amenity.used": [("studio_ops", {3: QUANTITY})],
    "quote.requested": [("studio_ops", {4: ONE})],
    "quote.accepted": [("studio_ops", {5: ONE})],
    "quote.declined": [("studio_ops", {6: ONE})],
    "quote.expired": [("studio_ops", {7: ONE})],
}


def _shares_of(made: Made) -> list[tuple[str, dict[int, str]]]:
    payload = made.event.payload
    if made.name == "fee.assessed" and payload.kind != "platform":
        return [share for share in SHARES[made.name] if share[0] != "kpi_gmv"]
    if made.name == "dispute.resolved":
        at = ["won", "lost", "withdrawn"].index(payload.outcome)
        return [("trust_dispute_outcomes", {1 + at: ONE, 4 + at: AMOUNT})]
    if made.name in ("promo.impression", "promo.click"):
        at = 2 if not payload.valid else 0 if made.name == "promo.impression" else 1
        return [("promo_performance", {at: ONE})]
    return SHARES.get(made.name, [])


def _shares(made: Made) -> Iterable[tuple[str, tuple[Any, ...], list[int]]]:
    """What a record adds to each windowed view: (view, group, sums)."""
    if made.event is None:
        reason, event, source, city = TOLD_BAD if tells(made) else ("not_json", "_unknown", "_unknown", None)
        yield "ops_quarantine", (source, event, reason, city), [0, 1]
        return
    yield "ops_quarantine", (made.event.source, made.name, None, made.event.city), [1, 0]
    payload, city = made.event.payload, made.event.city
    values = {
        ONE: 1,
        AMOUNT: getattr(payload, "amount_minor", 0),
        QUANTITY: getattr(payload, "quantity", 0),
    }
    for view, parts in _shares_of(made):
        group = tuple(city if name == "city" else getattr(payload, name) for name in GROUPS[view])
        yield view, group, [values[parts[at]] if at in parts else 0 for at in range(WIDTHS[view])]


Feed = dict[bytes, bytes]
"""What a compacted feed partition holds: key → newest value."""


def write(feed: Feed, records: Iterable[tuple[bytes, bytes | None]]) -> None:
    """Let records into a feed, in the order in which a compacted topic has them: by each key's newest."""
    for key, value in records:
        feed.pop(key, None)
        if value is not None:
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


def entities_in(feed: Feed) -> dict[tuple[str, str], list[Any]]:
    """The entities in a feed, by view and id, each as its latest event has it."""
    return {key: members[: _size(key)] for key, members in _records_in(feed)}


def elsewhere_in(feed: Feed) -> dict[tuple[str, str], dict[str, list[Any]]]:
    """The entities of several cities in a feed, in the form of `Plain.elsewhere`."""
    found = {}
    for key, members in _records_in(feed):
        for others in members[_size(key) :]:
            assert others == sorted(others, key=lambda state: state[1:4], reverse=True)
            found[key] = {state[4]: state for state in others}
            assert 0 < len(found[key]) == len(others)
    return found


def _size(key: tuple[str, str]) -> int:
    return 5 + len(LIVES[key[0]].kept)


def _records_in(feed: Feed) -> Iterable[tuple[tuple[str, str], list[Any]]]:
    for key, value in feed.items():
        parsed = parse_key(key)
        if isinstance(parsed, EntityKey):
            yield (parsed.view, parsed.entity_id), msgspec.msgpack.decode(value)
