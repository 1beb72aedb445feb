"""The money of a booking. Over its lifecycle charge = fees + refunds + payouts, unless the payout leaks.

To keep this sum, whatever goes back to the customer goes back before the provider is paid: a dispute holds
the payout until it is resolved, a cancellation cancels it, and fees are never given back.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

from streams.sources.market.scenarios import DISPUTE_WAVE, PAYOUT_STALL
from streams.sources.market.simulation import Simulation

CHARGE_FAILS, CHARGE_TRIES = 0.06, 3
PLATFORM_PERCENT = (12, 15, 20)
DISPUTED, CANCELLED, PARTLY_REFUNDED = 0.008, 0.030, 0.025
RESPONDED, WON, LOST = 0.85, 0.45, 0.35  # what is left is withdrawn
RESPOND_SECONDS = 90
PAYOUT_FAILS, PAYOUT_STUCK, PAYOUT_SLOW = 0.012, 0.002, 0.02
DUE_SECONDS = 10
STALL_OVER_SECONDS = 5
CHARGE_REASONS = ("card_declined", "insufficient_funds", "expired_card")
PAYOUT_REASONS = ("account_closed", "bank_unavailable")


class Deal(NamedTuple):
    """What a payment is for. `tail` and `context` are rendered envelope fields (see `Simulation.emit`)."""

    booking_id: str
    provider: str
    amount_minor: int
    currency: str
    tail: str
    context: str

    def money(self, amount_minor: int) -> str:
        """The payload's amount and currency."""
        return f'"amount_minor":{amount_minor},"currency":"{self.currency}"'


def payment(market: Simulation, deal: Deal) -> Iterator[int]:
    """The lifecycle of a booking's money. Yields the times of its steps, in µs."""
    random = market.random
    key = deal.booking_id.encode()
    deal_tail, deal = deal.tail, deal._replace(tail=f'"source":"payments-service",{deal.context}')
    yield market.after(0.4)
    for _ in range(CHARGE_TRIES):
        charge_id = market.identity("chg")
        charge = f'"charge_id":"{charge_id}","booking_id":"{deal.booking_id}",{deal.money(deal.amount_minor)}'
        if random() >= CHARGE_FAILS:
            break
        reason = CHARGE_REASONS[int(random() * 3)]
        market.emit("charge.failed", deal.tail, key, f'{charge},"reason":"{reason}"')
        yield market.after(3)
    else:
        _cancel(market, deal, deal_tail, "payment_failed")
        return
    market.emit("charge.succeeded", deal.tail, key, charge)
    left = deal.amount_minor
    for kind, fee in _fees(deal.amount_minor, PLATFORM_PERCENT[int(random() * 3)]):
        yield market.after(0.01)
        left -= fee
        facts = f'"fee_id":"{market.identity("fee")}","kind":"{kind}",{deal.money(fee)}'
        market.emit("fee.assessed", deal.tail, key, f'{facts},"booking_id":"{deal.booking_id}"')
    wave = market.during(DISPUTE_WAVE)
    disputed = wave.share if wave else DISPUTED
    fate = random()
    if fate < disputed:
        left = yield from _dispute(market, deal, charge_id, left)
    elif fate < disputed + CANCELLED:
        yield from _cancelled_payout(market, deal, left)
        _cancel(market, deal, deal_tail, "customer_cancelled")
        left = yield from _refund(market, deal, charge_id, left, left)
    elif fate < disputed + CANCELLED + PARTLY_REFUNDED:
        left = yield from _refund(market, deal, charge_id, left, left * int(10 + 30 * random()) // 100)
    if left:
        yield from _payout(market, deal, market.leak(deal.amount_minor, left))


def _fees(amount_minor: int, percent: int) -> tuple[tuple[str, int], tuple[str, int]]:
    return ("platform", amount_minor * percent // 100), ("processing", amount_minor * 29 // 1_000 + 30)


def _cancel(market: Simulation, deal: Deal, tail: str, reason: str) -> None:
    facts = f'"booking_id":"{deal.booking_id}",{deal.money(deal.amount_minor)},"reason":"{reason}"'
    market.emit("booking.cancelled", tail, deal.booking_id.encode(), facts)


def _refund(
    market: Simulation, deal: Deal, charge_id: str, left: int, amount_minor: int
) -> Generator[int, None, int]:
    """Returns what is left to pay out."""
    yield market.after(0.3)
    facts = f'"refund_id":"{market.identity("rfd")}","charge_id":"{charge_id}",{deal.money(amount_minor)}'
    market.emit("refund.succeeded", deal.tail, charge_id.encode(), facts)
    return left - amount_minor


def _dispute(market: Simulation, deal: Deal, charge_id: str, left: int) -> Generator[int, None, int]:
    """Returns what is left to pay out: nothing if it was lost, for then the customer has it back."""
    random = market.random
    yield market.after(1)
    dispute_id = market.identity("dsp")
    key = dispute_id.encode()
    facts = f'"dispute_id":"{dispute_id}","charge_id":"{charge_id}",{deal.money(deal.amount_minor)}'
    respond_by = market.now + RESPOND_SECONDS * 1_000_000
    opened = f'{facts},"respond_by":"{market.instant(respond_by)}","reason":"not_as_described"'
    market.emit("dispute.opened", deal.tail, key, opened)
    outcome = "lost"
    if random() < RESPONDED:
        yield min(market.after(8), respond_by - 1)
        market.emit("dispute.responded", deal.tail, key, facts)
        yield market.after(10)
        fate = random()
        outcome = "won" if fate < WON else "lost" if fate < WON + LOST else "withdrawn"
    else:
        yield respond_by + 1
    market.emit("dispute.resolved", deal.tail, key, f'{facts},"outcome":"{outcome}"')
    if outcome == "lost":
        return (yield from _refund(market, deal, charge_id, left, left))
    return left


def _cancelled_payout(market: Simulation, deal: Deal, amount_minor: int) -> Iterator[int]:
    yield from _payout_initiated(market, deal, payout_id := market.identity("pay"), amount_minor)
    yield market.after(0.5)
    market.emit(
        "payout.canceled", deal.tail, payout_id.encode(), _payout_facts(deal, payout_id, amount_minor)
    )


def _payout(market: Simulation, deal: Deal, amount_minor: int) -> Iterator[int]:
    """A payout that fails is tried again as another one, until one is paid."""
    random = market.random
    while True:
        payout_id = market.identity("pay")
        key = payout_id.encode()
        facts = _payout_facts(deal, payout_id, amount_minor)
        yield from _payout_initiated(market, deal, payout_id, amount_minor)
        pace = random()
        yield market.after(45 if pace < PAYOUT_STUCK else 2.5 if pace < PAYOUT_SLOW else 0.05)
        yield from _stalled(market)
        if random() >= PAYOUT_FAILS:
            market.emit("payout.paid", deal.tail, key, facts)
            return
        reason = PAYOUT_REASONS[int(random() * 2)]
        market.emit("payout.failed", deal.tail, key, f'{facts},"reason":"{reason}"')
        yield market.after(3)


def _stalled(market: Simulation) -> Iterator[int]:
    """Waits until payouts go on, and for a turn then: they do not all go at once."""
    end_us = market.end_of(PAYOUT_STALL)
    if end_us is not None:
        yield market.after(STALL_OVER_SECONDS) + end_us - market.now


def _payout_initiated(market: Simulation, deal: Deal, payout_id: str, amount_minor: int) -> Iterator[int]:
    yield market.after(0.05)
    due_at = market.instant(market.now + DUE_SECONDS * 1_000_000)
    facts = _payout_facts(deal, payout_id, amount_minor)
    initiated = f'{facts},"due_at":"{due_at}","booking_id":"{deal.booking_id}"'
    market.emit("payout.initiated", deal.tail, payout_id.encode(), initiated)


def _payout_facts(deal: Deal, payout_id: str, amount_minor: int) -> str:
    return f'"payout_id":"{payout_id}","provider_id":"{deal.provider}",{deal.money(amount_minor)}'
