"""The gates: open, closed, or no longer evaluated."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

from streams.doctor.finding import GOOD, NOTE, WRONG, Finding, Patient, State, some
from streams.doctor.reading import reading
from streams.kafka.records import records_from
from streams.kafka.topology import partitions_of
from streams.runbooks import page
from tables.gates.records import GateRecord, decode_gate, expired
from tables.gates.rule import GateState

EXPIRED = "expired"
SAID: dict[str, tuple[State, str]] = {
    GateState.OK: (GOOD, ""),
    GateState.WARN: (NOTE, "see `sluice gates`"),
    GateState.ALARM: (WRONG, "they are closed: see `sluice gates`"),
    GateState.STALE: (
        WRONG,
        "they are closed until the views have caught up: see the views worker and its lag",
    ),
    EXPIRED: (WRONG, "they count as closed: nobody evaluates them; start `sluice worker gates`"),
}


async def gate_states(patient: Patient) -> list[Finding]:
    """The gates by state, some of each by name."""
    settings = patient.settings
    topic = await partitions_of(settings, [settings.topic("ops.gates")])
    newest: dict[bytes, bytes | None] = {}
    if not topic or "gates" in patient.without:
        return []
    async with reading(settings) as consumer:
        consumer.assign(topic)
        starts = await consumer.beginning_offsets(topic)
        async for record in records_from(consumer, starts):
            newest[record.key or b""] = record.value
    by_state: defaultdict[str, list[str]] = defaultdict(list)
    for value in newest.values():
        gate = decode_gate(value)
        if gate is not None:
            over = expired(gate.valid_until, datetime.now(UTC))
            by_state[EXPIRED if over else gate.state].append(_name(gate))
    found = []
    for state, names in sorted(by_state.items()):
        how, mend = SAID[state]
        runbook = page("gate-alarm") if state == GateState.ALARM else ""
        text = f"{len(names)} {state}: {some(sorted(names))}"
        found.append(Finding("gates", how, text, mend, runbook))
    return found


def _name(gate: GateRecord) -> str:
    named = gate.key or {"city": gate.city, "currency": gate.currency}
    values = (value or ("(no city)" if name == "city" else "-") for name, value in named.items())
    return " ".join((gate.gate, *values))
