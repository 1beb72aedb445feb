"""An hour of payouts, for what is measured on a large state: a million stay open, a million events churn.

Each open payout has one event and one of churn beside it: another payout initiated or paid, or an open one
that fails or is initiated again. Kafka timestamps and event times run through one hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from streams.sources.market import Record
from tests.bench.workloads.market import CITIES, CURRENCIES, START

HOUR_US = 3_600_000_000
START_US = int(START.timestamp()) * 1_000_000
RETRIED_AFTER = 1_000
"""A churning payout was initiated so many payouts ago."""


def payouts(open_payouts: int) -> Iterator[Record]:
    """Two events for each open payout, in order. Needs no more memory than one of them."""
    step_us = HOUR_US / (2 * open_payouts)
    for number in range(2 * open_payouts):
        at_us = START_US + int(number * step_us)
        payout, is_churn = divmod(number, 2)
        if not is_churn:
            yield _record(number, at_us, "payout.initiated", f"pay_open_{payout:012d}")
        else:
            yield _record(number, at_us, *_churn(payout))


def _churn(number: int) -> tuple[str, str]:
    retried = f"pay_open_{max(0, number - RETRIED_AFTER) // 4:012d}"
    match number % 4:
        case 0:
            return "payout.initiated", f"pay_short_{number // 4:012d}"
        case 1:
            return "payout.paid", f"pay_short_{number // 4:012d}"
        case 2:
            return "payout.failed", retried
        case _:
            return "payout.initiated", retried


def _record(number: int, at_us: int, event: str, payout_id: str) -> Record:
    at = datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="microseconds")
    initiated = event == "payout.initiated"
    more = f',"due_at":"2026-03-03T00:00:00Z","booking_id":"bkg_{payout_id}"' if initiated else ""
    value = (
        f'{{"event_id":"evt_{number:028x}","event":"{event}","version":1,"occurred_at":"{at}",'
        f'"source":"payments-service","city":"city-{number % CITIES:02d}","trace_id":"{number:032x}",'
        f'"payload":{{"payout_id":"{payout_id}","provider_id":"prv_{number % 5000:06d}",'
        f'"amount_minor":{1000 + number % 90000},"currency":"{CURRENCIES[number % 3]}"{more}}}}}'
    )
    return Record(payout_id.encode(), value.encode(), at_us)
