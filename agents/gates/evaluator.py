"""Evaluates the recon gates, one evaluation after the other, and returns what is to be published.

All state is in the records: a new leader continues from a gate's newest record. Only the counts of
evaluations in a row start over. Nothing here depends on Kafka; docs/gates.md gives the reasons.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from agents.protocols import FeedRecord
from schemas.times import SECOND_US, format_time
from tables.gates.alarms import Alarm
from tables.gates.figures import Pair, Reading
from tables.gates.reasons import reason
from tables.gates.records import RECON, VALID_SECONDS, GateRecord, decode_gate, encode_gate, gate_key
from tables.gates.rule import IS_STALE, NOTHING, Figures, GateState, Rule, Standing, judge, step
from tables.query.params import ParameterError, parse_time
from tables.times import MINUTE_US

PUBLISH_US = 4_950_000
"""A record as old as this is published again: every 5 s, whichever side of it an evaluation falls on."""


class AlarmCode(NamedTuple):
    """The error code of an alarm, and its severity."""

    code: str
    severity: str


@dataclass
class _Gate:
    """One gate. Times in µs since the epoch; `first`, `end`: epoch minutes of its figures' window."""

    standing: Standing
    since_us: int
    figures: Figures = NOTHING
    first: int = 0
    end: int = 0
    published_us: int | None = None


class Publication(NamedTuple):
    """What one transaction is to write: records of ops.gates (null value: the gate has ended), alarms."""

    gates: list[FeedRecord]
    alarms: list[Alarm]


class GateEvaluator:
    """All recon gates. `codes`: the error code of an alarm for each state that closes a gate."""

    def __init__(self, rule: Rule, codes: dict[GateState, AlarmCode]) -> None:
        self._rule = rule
        self._codes = codes
        self._gates: dict[Pair, _Gate] = {}

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Restore a record of ops.gates, in order. A gate whose record can't be read begins stale: closed."""
        city, _, currency = key.decode(errors="replace").partition("|")
        pair = (city or None, currency)
        if value is None or not currency:
            self._gates.pop(pair, None)
        else:
            self._gates[pair] = _restored(pair, value) or _Gate(Standing(GateState.STALE), 0)

    def evaluate(self, reading: Reading, now_us: int) -> Publication:
        """One evaluation of every gate, at `now_us` by the clock; a pair that is new gets a gate."""
        known = reading.figures or {}
        for pair in known.keys() - self._gates.keys():
            self._gates[pair] = _Gate(Standing(), now_us)
        out = Publication([], [])
        for pair, gate in self._gates.items():
            if reading.figures is not None:
                gate.figures, gate.first, gate.end = known.get(pair, NOTHING), reading.first, reading.end
            found = IS_STALE if reading.stale else judge(gate.figures, self._rule)
            before = gate.standing.state
            gate.standing = step(gate.standing, found, self._rule, now_us - gate.since_us)
            if gate.standing.state is not before:
                out.alarms.extend(self._alarms(pair, gate, before, now_us, reading.stale))
                gate.since_us = now_us
            elif gate.published_us is not None and 0 <= now_us - gate.published_us < PUBLISH_US:
                continue
            gate.published_us = now_us
            out.gates.append((gate_key(*pair), encode_gate(self._record(pair, gate, now_us, reading.stale))))
        return out

    def end_gates(self, kept: set[Pair], now_us: int) -> Publication:
        """End the gates whose pair is in no pane any more (`kept`: those in a pane), however old."""
        out = Publication([], [])
        for pair in self._gates.keys() - kept:
            gate = self._gates.pop(pair)
            out.gates.append((gate_key(*pair), None))
            if gate.standing.state in self._codes:
                out.alarms.append(
                    self._alarm(pair, gate.standing.state, gate.since_us, now_us, cleared="has ended")
                )
        return out

    def _record(self, pair: Pair, gate: _Gate, now_us: int, stale: str | None) -> GateRecord:
        standing, figures, rule = gate.standing, gate.figures, self._rule
        return GateRecord(
            gate=RECON,
            city=pair[0],
            currency=pair[1],
            state=standing.state,
            open=standing.state.open,
            previous=standing.previous,
            since=format_time(gate.since_us),
            evaluated_at=format_time(now_us),
            valid_until=format_time(now_us + VALID_SECONDS * SECOND_US),
            variance_minor=figures.variance,
            variance_ratio=figures.ratio,
            charges_minor=figures.charges,
            window_from=format_time(gate.first * MINUTE_US),
            window_to=format_time(gate.end * MINUTE_US),
            reason=reason(standing, figures, rule, stale, now_us - gate.since_us),
            warn_at=float(rule.limits.warn),
            alarm_at=float(rule.limits.alarm),
        )

    def _alarms(
        self, pair: Pair, gate: _Gate, before: GateState, now_us: int, stale: str | None
    ) -> list[Alarm]:
        """The alarms of a change of state; `gate.since_us` is still when the state before was reached."""
        state, found = gate.standing.state, []
        if before in self._codes:
            found.append(self._alarm(pair, before, gate.since_us, now_us, cleared=f"is {state}"))
        if state in self._codes:
            why = f"is {state}: {stale or _compared(gate.figures)}"
            found.append(self._alarm(pair, state, now_us, now_us, raised=why))
        return found

    def _alarm(
        self, pair: Pair, of: GateState, since_us: int, now_us: int, *, raised: str = "", cleared: str = ""
    ) -> Alarm:
        """The alarm of a gate that came into state `of` at `since_us`; `raised`, `cleared`: what to say."""
        subject = f"{RECON}/{gate_key(*pair).decode()}"
        return Alarm(
            alarm_id=f"{subject}/{of}/{since_us}",
            code=self._codes[of].code,
            severity=self._codes[of].severity,
            subject=subject,
            state="raised" if raised else "cleared",
            at=format_time(now_us),
            detail=f"gate {subject} {raised or cleared}",
        )

    def counts(self) -> dict[GateState, int]:
        """How many gates are in each state."""
        return dict.fromkeys(GateState, 0) | Counter(gate.standing.state for gate in self._gates.values())

    def worst(self) -> dict[str, GateState]:
        """The worst state by currency."""
        found: dict[str, GateState] = {}
        for (_, currency), gate in self._gates.items():
            known = found.setdefault(currency, gate.standing.state)
            found[currency] = max(known, gate.standing.state, key=lambda state: state.rank)
        return found


def _restored(pair: Pair, value: bytes) -> _Gate | None:
    """A gate from its record, None if the record can't be read or is of another gate."""
    record = decode_gate(value)
    if record is None or (record.gate, record.city, record.currency) != (RECON, *pair):
        return None
    try:
        since, first, end = (
            parse_time(name, getattr(record, name)) for name in ("since", "window_from", "window_to")
        )
    except ParameterError:
        return None
    return _Gate(
        Standing(record.state, record.previous),
        since,
        Figures(record.charges_minor, record.charges_minor - record.variance_minor),
        first // MINUTE_US,
        end // MINUTE_US,
    )


def _compared(figures: Figures) -> str:
    ratio = "no charges" if figures.ratio is None else f"variance_ratio {figures.ratio:.4f}"
    return f"charges {figures.charges}, payouts + refunds + fees {figures.others}, {ratio}"
