"""Comms: messages about bookings, and digests, which are sent as messages or held back."""

from __future__ import annotations

from collections.abc import Iterator

from streams.sources.market.simulation import Simulation

BOUNCED, LOST = 0.04, 0.01  # all others are delivered
COMPLAINED, OPTED_OUT = 0.005, 0.012
CHANNELS = ("email",) * 6 + ("push",) * 3 + ("sms",)
DIGEST, DIGEST_SENT = "weekly", 0.6
SUPPRESSED = ("quiet_hours", "quiet_hours", "no_content", "opted_out")
SOURCE = "messaging-service"


def message(market: Simulation, user_id: str, template: str, context: str) -> Iterator[int]:
    """A message to a user."""
    random = market.random
    message_id = market.identity("msg")
    key, tail = message_id.encode(), f'"source":"{SOURCE}",{context}'
    channel = CHANNELS[int(random() * len(CHANNELS))]
    who = f'"message_id":"{message_id}","user_id":"{user_id}"'
    facts = f'{who},"channel":"{channel}","template":"{template}"'
    market.emit("message.sent", tail, key, facts)
    yield market.after(1.5)
    fate = random()
    if fate < BOUNCED:
        market.emit("message.bounced", tail, key, facts)
    if fate < BOUNCED + LOST:
        return
    market.emit("message.delivered", tail, key, facts)
    reaction = random()
    if reaction < COMPLAINED + OPTED_OUT:
        yield market.after(6)
        name = "message.complained" if reaction < COMPLAINED else "message.opted_out"
        market.emit(name, tail, key, facts)


def digest(market: Simulation, user_id: str, context: str) -> Iterator[int]:
    """A digest for a user: a message, unless there is a reason against it."""
    if market.random() < DIGEST_SENT:
        yield from message(market, user_id, f"digest-{DIGEST}", context)
        return
    reason = SUPPRESSED[int(market.random() * len(SUPPRESSED))]
    facts = f'"user_id":"{user_id}","digest":"{DIGEST}","reason":"{reason}"'
    market.emit("digest.suppressed", f'"source":"{SOURCE}",{context}', user_id.encode(), facts)
