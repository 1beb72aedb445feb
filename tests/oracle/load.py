"""Deterministic load: events of every kind, with everything that real producers do wrong.

The same seed and settings give the same records. Kafka timestamps are the load's own clock, which may run
faster than the wall's, so that windows, late data and retention are met within a few thousand records.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.oracle.bad import at, bad_records
from tests.oracle.load_others import other_event
from tests.support.kafka import Raw

CITIES = ("berlin", "paris", "lisbon", "new-york", "st_gallen", "7th", None)
CURRENCIES = ("EUR", "EUR", "GBP", "JPY")
SEARCH = ("search.impression", "search.impression", "search.click", "profile.view", "checkout.start")
MAX_MINOR = 2**53 - 1


def of_user(value: bytes) -> bool:
    """Whether it is an event whose user has all such events on one partition."""
    return b'"experiment.exposure"' in value or b'"checkout.start"' in value


@dataclass(frozen=True)
class Mix:
    """What the load is made of. Shares are of all records; `late_hours` is how far back late events reach."""

    partitions: int = 4
    milliseconds: float = 100.0
    """Mean time between two records, by the load's clock."""
    late: float = 0.08
    late_hours: float = 6.0
    duplicates: float = 0.05
    duplicates_back: int = 4000
    """How many records back a duplicate's original may be."""
    bad: float = 0.02
    keyless: float = 0.02
    others: float = 0.3
    """Of the good events, those of tests/oracle/load_others.py."""


@dataclass
class _Payout:
    payout_id: str
    city: str | None
    currency: str
    amount: int
    at_ms: float
    key: bytes


class Load:
    """An endless stream of records; `now_ms` is its clock."""

    def __init__(self, seed: int, now_ms: int, mix: Mix | None = None) -> None:
        self.now_ms = float(now_ms)
        self.mix = mix or Mix()
        self._random = random.Random(seed)
        self._number = 0
        self._seed = seed
        self._payouts: list[_Payout] = []
        self._sent: list[Raw] = []
        self._bad: list[bytes | None] = []

    def take(self, count: int) -> list[Raw]:
        """The next records, in the order in which they are to be sent."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Raw:
        self.now_ms += self._random.expovariate(1 / self.mix.milliseconds)
        kind = self._random.random()
        if kind < self.mix.bad:
            return self._bad_record()
        if kind < self.mix.bad + self.mix.duplicates and self._sent:
            return self._duplicate()
        raw = self._event()
        self._sent.append(raw)
        del self._sent[: -self.mix.duplicates_back]
        return raw

    def _bad_record(self) -> Raw:
        if not self._bad:
            # Records of the size limit and beyond are few among many: they would be most of the bytes.
            self._bad = [value for value, _ in bad_records(self._clock()) if not value or len(value) < 8192]
            self._random.shuffle(self._bad)
        value = self._bad.pop()
        # Those that are bad by their time alone were made for another one; the oracle judges them anew.
        key = self._random.choice((None, b"", b"bad", b"\xff\x00"))
        return Raw(value, key, self._clock(), self._random.randrange(self.mix.partitions), (("trace", b"1"),))

    def _duplicate(self) -> Raw:
        raw = self._random.choice(self._sent)
        assert raw.value is not None
        value = raw.value
        if self._random.random() < 0.3:  # a retry that is not the same bytes
            value = json.dumps({**json.loads(value), "trace_id": "again"}).encode()
        # On another partition it is another event.
        moved = self._random.random() < 0.1 and not of_user(value)
        partition = self._random.randrange(self.mix.partitions) if moved else raw.partition
        return Raw(value, raw.key, self._clock(), partition)

    def _event(self) -> Raw:
        self._number += 1
        if self.mix.others and self._random.random() < self.mix.others:
            name, payload, key = other_event(self._random, self._clock())
            if name == "experiment.exposure":
                payload["user_id"] = self._user()
                key = payload["user_id"].encode()
            return self._raw(name, payload, key, self._random.choice(CITIES), self._occurred_ms())
        draw = self._random.random()
        if draw < 0.45:
            name, payload, key, city = self._search()
        elif draw < 0.6:
            name, payload, key, city = self._booking()
        elif draw < 0.8:
            name, payload, key, city = self._charge()
        else:
            return self._payout()
        return self._raw(name, payload, key, city, self._occurred_ms())

    def _user(self) -> str:
        """One who is on the same partition of the same topic with all events."""
        return f"user:{self._random.randrange(200)}@{self._seed}/{self.mix.partitions}"

    def _search(self) -> tuple[str, dict[str, Any], bytes, str | None]:
        name = self._random.choice(SEARCH)
        session = f"ses-{self._random.randrange(10_000)}"
        payload: dict[str, Any] = {"session_id": session, "user_id": "usr-1", "unknown": [1, {"a": None}]}
        if name.startswith("search"):
            payload |= {"listing_id": "lst-9", "position": self._random.randrange(50), "user_id": None}
        if name == "profile.view":
            payload["provider_id"] = "prv-ü"
        key = session
        if name == "checkout.start":
            key = payload["user_id"] = self._user()
        return name, payload, key.encode(), self._random.choice(CITIES)

    def _booking(self) -> tuple[str, dict[str, Any], bytes, str | None]:
        name = self._random.choice(
            (
                "booking.requested",
                "booking.confirmed",
                "booking.confirmed",
                "booking.cancelled",
                "booking.accepted",
            )
        )
        booking = f"bkg-{self._number}"
        payload: dict[str, Any] = {"booking_id": booking, "provider_id": "prv-1"}
        if name != "booking.accepted":
            payload |= {"user_id": "usr", "amount_minor": self._amount(), "currency": self._currency()}
        if name == "booking.requested":
            payload["accept_by"] = at(self._clock(), 3600)
        return name, payload, booking.encode(), self._random.choice(CITIES)

    def _charge(self) -> tuple[str, dict[str, Any], bytes, str | None]:
        name = self._random.choice(
            ("charge.succeeded", "charge.succeeded", "charge.failed", "refund.succeeded", "fee.assessed")
        )
        charge = f"chg-{self._number}"
        payload: dict[str, Any] = {"amount_minor": self._amount(), "currency": self._currency()}
        match name:
            case "fee.assessed":
                payload |= {"fee_id": "fee-1", "kind": self._random.choice(("platform", "processing"))}
            case "refund.succeeded":
                payload |= {"refund_id": "rfd-1", "charge_id": charge}
            case _:
                payload |= {"charge_id": charge, "booking_id": "bkg-1"}
        return name, payload, charge.encode(), self._random.choice(CITIES)

    def _payout(self) -> Raw:
        if not self._payouts or self._random.random() < 0.4:
            number = f"pyo:{self._seed}:{self._number}"
            payout = _Payout(
                number, self._random.choice(CITIES), self._currency(), self._amount(),
                self._occurred_ms(), number.encode(),
            )  # fmt: skip
            self._payouts.append(payout)
            del self._payouts[:-300]
            due = at(int(payout.at_ms), self._random.choice((-3600, 60, 7200, 86_400)))
            return self._raw(
                "payout.initiated",
                self._paid(payout) | {"due_at": due},
                payout.key,
                payout.city,
                payout.at_ms,
            )
        payout = self._random.choice(self._payouts)
        name = self._random.choice(
            ("payout.paid", "payout.paid", "payout.failed", "payout.canceled", "payout.initiated")
        )
        # Before, at the same moment as, and after what was sent earlier: the rank and the id decide.
        moment = payout.at_ms + self._random.choice((-60_000, 0, 0, 1, 60_000, 600_000))
        moment = min(moment, self.now_ms)
        paid = self._paid(payout)
        if name == "payout.initiated":
            paid["due_at"] = at(int(moment), 60)
        key = (
            payout.key if self._random.random() < 0.9 else b"other"
        )  # keyed wrongly: another partition's partial
        return self._raw(name, paid, key, payout.city, moment)

    def _paid(self, payout: _Payout) -> dict[str, Any]:
        return {
            "payout_id": payout.payout_id, "provider_id": "prv-1",
            "amount_minor": payout.amount, "currency": payout.currency,
        }  # fmt: skip

    def _raw(
        self, name: str, payload: dict[str, Any], key: bytes, city: str | None, occurred_ms: float
    ) -> Raw:
        envelope: dict[str, Any] = {
            "event_id": f"{self._seed}-{self._number}", "event": name, "version": 1,
            "occurred_at": self._written(occurred_ms), "source": f"load-{self._number % 3}",
            "payload": payload, "later": {"field": 1},
        }  # fmt: skip
        if city is not None or self._random.random() < 0.5:
            envelope["city"] = city
        members = list(envelope.items())
        if self._random.random() < 0.2:
            self._random.shuffle(members)
        value = json.dumps(dict(members), ensure_ascii=self._random.random() < 0.5).encode()
        partition = zlib.crc32(key) % self.mix.partitions
        keyless = self._random.random() < self.mix.keyless
        return Raw(value, None if keyless else key, self._clock(), partition)

    def _occurred_ms(self) -> float:
        draw = self._random.random()
        if draw < self.mix.late:
            return self.now_ms - self._random.uniform(0, self.mix.late_hours) * 3_600_000
        if draw < self.mix.late + 0.01:
            return self._clock() + self._random.uniform(0, 299_000)  # ahead, but not too far
        return self.now_ms - self._random.expovariate(1 / 3000)

    def _written(self, occurred_ms: float) -> str:
        text = at(int(occurred_ms))
        match self._random.randrange(6):
            case 0:
                return text.replace("Z", "+00:00")
            case 1:  # the same moment elsewhere
                return at(int(occurred_ms) + 19_800_000).replace("Z", "+05:30")
            case 2:
                return text.replace("Z", f"{self._random.randrange(1000):03d}Z") if "." in text else text
            case _:
                return text

    def _clock(self) -> int:
        return int(self.now_ms)

    def _amount(self) -> int:
        return self._random.choice(
            (0, 1, 999, MAX_MINOR, *(self._random.randrange(100, 90_000) for _ in range(12)))
        )

    def _currency(self) -> str:
        return self._random.choice(CURRENCIES)


def huge_charges(count: int, timestamp_ms: int, partition: int = 0) -> Iterator[Raw]:
    """Charges of the largest amount in one pane of one group: above 1,024 of them no 64 bits hold the sum."""
    for number in range(count):
        payload = {"charge_id": "c", "booking_id": "b", "amount_minor": MAX_MINOR, "currency": "XXX"}
        envelope = {
            "event_id": f"huge-{partition}-{number}", "event": "charge.succeeded", "version": 1,
            "occurred_at": at(timestamp_ms), "source": "load", "city": "huge", "payload": payload,
        }  # fmt: skip
        yield Raw(json.dumps(envelope).encode(), b"huge", timestamp_ms, partition)
