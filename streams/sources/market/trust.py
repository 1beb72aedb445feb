"""Trust: identity and background checks of users, and scores of the risk in users, providers and bookings."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from streams.sources.market.simulation import Simulation

PASSED = {"idv": 0.86, "bg": 0.90}
FAILED = {"idv": 0.10, "bg": 0.06}  # what is left never ends
REASONS = {"idv": ("document_expired", "face_mismatch"), "bg": ("record_found", "name_unclear")}
CHECK_SECONDS = {"idv": 8.0, "bg": 15.0}
RESCORED, RESCORE_SECONDS = 0.35, 12.0
FIRST_SPREAD, NEXT_SPREAD = 20.0, 40.0
BUCKETS = ((40.0, "clear"), (70.0, "watch"), (90.0, "action"))


def check(market: Simulation, kind: str, user_id: str, context: str) -> Iterator[int]:
    """An identity check (`idv`) or a background check (`bg`) of a user."""
    random = market.random
    check_id = market.identity("chk")
    key, tail = check_id.encode(), f'"source":"trust-service",{context}'
    facts = f'"check_id":"{check_id}","user_id":"{user_id}"'
    market.emit(f"{kind}.started", tail, key, facts)
    yield market.after(CHECK_SECONDS[kind])
    fate = random()
    if fate < PASSED[kind]:
        market.emit(f"{kind}.passed", tail, key, facts)
    elif fate < PASSED[kind] + FAILED[kind]:
        reason = REASONS[kind][int(random() * 2)]
        market.emit(f"{kind}.failed", tail, key, f'{facts},"reason":"{reason}"')


def risk(market: Simulation, kind: str, subject_id: str, context: str) -> Iterator[int]:
    """Scores of one subject: around what is its own, then up and down from there."""
    random = market.random
    key, tail = subject_id.encode(), f'"source":"trust-service",{context}'
    own = 100 * (zlib.crc32(key) / 2**32) ** 3  # most are harmless
    score = _moved(own, FIRST_SPREAD, random())
    while True:
        facts = f'"subject_id":"{subject_id}","subject_kind":"{kind}","score":{score}'
        market.emit("risk.scored", tail, key, f'{facts},"bucket":"{bucket(score)}"')
        if random() >= RESCORED:
            return
        yield market.after(RESCORE_SECONDS)
        score = _moved(score, NEXT_SPREAD, random())


def bucket(score: float) -> str:
    """What a score calls for."""
    return next((name for below, name in BUCKETS if score < below), "critical")


def _moved(score: float, spread: float, drawn: float) -> float:
    return round(min(100.0, max(0.0, score + spread * (drawn - 0.5))), 1)
