"""Records of gates as a leader writes them, of the time that the tests' clock is set to."""

from __future__ import annotations

from schemas.times import format_time
from tables.gates.records import GateRecord
from tables.gates.rule import GateState
from tests.support.replica import NOW_S


def gate_record(
    city: str | None, currency: str = "GBP", age: float = 0.0, state: GateState = GateState.OK
) -> GateRecord:
    """The record of a gate, so many seconds old."""
    at = int((NOW_S - age) * 1_000_000)
    return GateRecord(
        gate="recon", city=city, currency=currency, state=state, open=state.open, previous=None,
        since=format_time(at), evaluated_at=format_time(at), valid_until=format_time(at + 15_000_000),
        variance_minor=-5, variance_ratio=0.05, charges_minor=100, window_from=format_time(at),
        window_to=format_time(at),
        measure="variance_ratio", value=0.05, key={"city": city, "currency": currency},
    )  # fmt: skip
