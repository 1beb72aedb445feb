"""Evaluates the gates of one declaration, one evaluation after the other, and returns what to publish.

All state is in the records: a new leader continues from a gate's newest record. Only the counts of
evaluations in a row start over. Nothing here depends on Kafka; docs/gates.md gives the reasons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agents.gates.alarms import AlarmCode, gate_alarm, override_alarm
from agents.protocols import FeedRecord
from schemas.times import SECOND_US, format_time, from_micros, instant_us
from tables.gates.alarms import Alarm
from tables.gates.figures import Key, Reading, Row
from tables.gates.overrides import Decision, Override
from tables.gates.reasons import Words, measured, reason
from tables.gates.records import VALID_SECONDS, GateRecord, decode_gate, encode_gate, record_key, subject_of
from tables.gates.rule import IS_STALE, GateState, Rule, Standing, judge, step
from tables.spec.gate import Gate
from tables.times import MINUTE_US

PUBLISH_US = 4_950_000
"""A record as old as this is published again: every 5 s, whichever side of it an evaluation falls on."""
MOST_GATES = 10_000
"""Of one declaration: each is published every five seconds. The others have no record: closed."""
SHOWN = ("measure", "value", "warn_at", "alarm_at", "variance_minor", "variance_ratio", "charges_minor",
         "window_from", "window_to")  # fmt: skip
"""What a record says of what was measured."""
RECORDED = ("variance_minor", "variance_ratio", "charges_minor")
"""Measures that a record has by their names, where the gate looks at them."""


@dataclass
class _Gate:
    """One gate. Times in µs since the epoch. `shown`: of its newest figures, as its record has them;
    `override`: the one that its record tells of."""

    standing: Standing
    since_us: int
    row: Row | None = None
    shown: Mapping[str, Any] = field(default_factory=dict)
    override: Override | None = None
    published_us: int | None = None


class Publication(NamedTuple):
    """What one transaction is to write: records of ops.gates (null value: the gate has ended), alarms."""

    gates: list[FeedRecord]
    alarms: list[Alarm]


class GateEvaluator:
    """All gates of a declaration, `gate`, of which the watched measures are those with limits.

    `words`: how each is spoken of; `codes`: the error code of an alarm for each state that closes a gate.
    `refused`: how many gates there are beyond `MOST_GATES`.
    """

    def __init__(
        self, gate: Gate, words: Sequence[Words], rule: Rule, codes: Mapping[GateState, AlarmCode]
    ) -> None:
        self.gate = gate
        self.refused = 0
        self._words = words
        self._rule = rule
        self._codes = codes
        self._gates: dict[Key, _Gate] = {}

    def restore(self, key: Key, value: bytes | None) -> None:
        """Restore a record of ops.gates, in order. A gate whose record can't be read begins stale: closed."""
        if value is None or len(key) != len(self.gate.key):
            self._gates.pop(key, None)
        else:
            self._gates[key] = self._restored(key, value) or _Gate(Standing(GateState.STALE), 0)

    def evaluate(
        self,
        reading: Reading,
        now_us: int,
        overrides: Mapping[str, Override] = {},
    ) -> Publication:
        """One evaluation of every gate, at `now_us` by the clock; a key that is new gets a gate.

        `overrides`: what people have decided, by gate as `subject_of` calls it.
        """
        rows = reading.rows or {}
        self._take_in(rows, now_us)
        out = Publication([], [])
        for key, gate in self._gates.items():
            if reading.rows is not None:
                gate.row = rows.get(key, reading.nothing)
            changed = self._judge(key, gate, reading.stale, now_us, out)
            changed = self._decide(key, gate, overrides, now_us, out) or changed
            if changed or gate.published_us is None or not 0 <= now_us - gate.published_us < PUBLISH_US:
                gate.published_us = now_us
                record = self._record(key, gate, reading, now_us)
                out.gates.append((record_key(self.gate.name, key), encode_gate(record)))
        return out

    def end_gates(self, kept: set[Key], now_us: int) -> Publication:
        """End the gates of which nothing is kept any more (`kept`: those of which something is)."""
        out = Publication([], [])
        for key in self._gates.keys() - kept:
            gate = self._gates.pop(key)
            out.gates.append((record_key(self.gate.name, key), None))
            if gate.standing.state in self._codes:
                out.alarms.append(self._alarm(key, gate, gate.standing.state, now_us, cleared="has ended"))
            if gate.override is not None:
                out.alarms.append(override_alarm(gate.override, now_us, cleared="the gate has ended"))
        return out

    def _take_in(self, rows: Mapping[Key, Row], now_us: int) -> None:
        new = [key for key in rows if key not in self._gates]
        room = max(0, MOST_GATES - len(self._gates))
        self.refused = len(new[room:])
        for key in new[:room]:
            self._gates[key] = _Gate(Standing(), now_us)

    def _judge(self, key: Key, gate: _Gate, stale: str | None, now_us: int, out: Publication) -> bool:
        """Whether the gate has come into another state."""
        figures = gate.row.figures if gate.row else ()
        found = IS_STALE if stale else judge(figures, self._rule)
        before = gate.standing.state
        gate.standing = step(gate.standing, found, self._rule, now_us - gate.since_us)
        state = gate.standing.state
        if state is before:
            return False
        if before in self._codes:
            out.alarms.append(self._alarm(key, gate, before, now_us, cleared=f"is {state}"))
        gate.since_us = now_us
        if state in self._codes:
            seen = stale or (measured(figures, self._words, found.watch) if found else "it holds")
            out.alarms.append(self._alarm(key, gate, state, now_us, raised=f"is {state}: {seen}"))
        return True

    def _decide(
        self, key: Key, gate: _Gate, overrides: Mapping[str, Override], now_us: int, out: Publication
    ) -> bool:
        """Whether what people have decided of the gate is another thing than before."""
        found = overrides.get(subject_of(record_key(self.gate.name, key)))
        if found is not None and not found.holds(from_micros(now_us)):
            found = None
        if found == gate.override:
            return False
        if gate.override is not None:
            out.alarms.append(override_alarm(gate.override, now_us, cleared="it has ended"))
        if found is not None:
            out.alarms.append(override_alarm(found, now_us))
        gate.override = found
        return True

    def _alarm(
        self, key: Key, gate: _Gate, of: GateState, now_us: int, *, raised: str = "", cleared: str = ""
    ) -> Alarm:
        """The alarm of a gate that came into state `of` at its `since_us`."""
        subject = subject_of(record_key(self.gate.name, key))
        return gate_alarm(subject, of, self._codes[of], gate.since_us, now_us, raised=raised, cleared=cleared)

    def _record(self, key: Key, gate: _Gate, reading: Reading, now_us: int) -> GateRecord:
        standing, row = gate.standing, gate.row
        if reading.rows is not None and row is not None:
            gate.shown = self._shown(row, reading)
        why = reason(
            standing,
            row.figures if row else (),
            self._words,
            self._rule,
            stale=reading.stale,
            state_us=now_us - gate.since_us,
        )
        names = dict(zip(self.gate.key, key, strict=True))
        valid_until = now_us + VALID_SECONDS * SECOND_US
        is_open, override = standing.state.open, gate.override
        if override is not None:
            is_open = _decided(override, standing.state)
            if is_open and not standing.state.open:  # for those, too, who know nothing of overrides
                valid_until = min(valid_until, override.until_us)
        return GateRecord(
            gate=self.gate.name,
            key=names,
            city=names.get("city"),
            currency=names.get("currency"),
            state=standing.state,
            open=is_open,
            previous=standing.previous,
            since=format_time(gate.since_us),
            evaluated_at=format_time(now_us),
            valid_until=format_time(valid_until),
            reason=why,
            **gate.shown,
            **_told(override),
        )

    def _shown(self, row: Row, reading: Reading) -> dict[str, Any]:
        found = judge(row.figures, self._rule)
        at = found.watch if found else 0
        limits = self._rule.limits[at]
        figure = row.figures[at] if row.figures else None
        measures = {name: row.seen[name] for name in RECORDED if name in row.seen}
        window = {}
        if reading.end:
            window = {
                "window_from": format_time(reading.first * MINUTE_US),
                "window_to": format_time(reading.end * MINUTE_US),
            }
        return {
            "measure": self.gate.watches[at].measure,
            "value": figure.value if figure else None,
            "warn_at": None if limits.warn is None else float(limits.warn),
            "alarm_at": None if limits.alarm is None else float(limits.alarm),
            **measures,
            **window,
        }

    def _restored(self, key: Key, value: bytes) -> _Gate | None:
        """A gate from its record, None if the record can't be read or is of another gate."""
        record = decode_gate(value)
        if record is None or record.gate != self.gate.name:
            return None
        names = record.key or {"city": record.city, "currency": record.currency}
        if tuple(names.values()) != key:
            return None
        try:
            since_us, override = (
                instant_us(record.since),
                _told_by(record, subject_of(record_key(record.gate, key))),
            )
        except ValueError:
            return None
        shown = {name: getattr(record, name) for name in SHOWN}
        return _Gate(Standing(record.state, record.previous), since_us, None, shown, override)

    def counts(self) -> dict[GateState, int]:
        """How many gates are in each state."""
        return dict.fromkeys(GateState, 0) | Counter(gate.standing.state for gate in self._gates.values())

    def worst(self) -> dict[str, GateState]:
        """The worst state by currency, "" where the gates have none."""
        at = self.gate.key.index("currency") if "currency" in self.gate.key else None
        found: dict[str, GateState] = {}
        for key, gate in self._gates.items():
            currency = "" if at is None else key[at] or ""
            known = found.setdefault(currency, gate.standing.state)
            found[currency] = max(known, gate.standing.state, key=lambda state: state.rank)
        return found


def _decided(override: Override, state: GateState) -> bool:
    """Whether a gate in a state is open by what a person has decided."""
    if override.decision is Decision.CLOSED:
        return False
    return state is not GateState.STALE or override.even_stale


def _told(override: Override | None) -> dict[str, Any]:
    """What a record says of an override."""
    if override is None:
        return {}
    return {
        "override": override.decision,
        "override_by": override.by,
        "override_reason": override.reason,
        "override_at": override.at,
        "override_until": override.until,
        "override_even_stale": override.even_stale,
    }


def _told_by(record: GateRecord, subject: str) -> Override | None:
    """The override that a record tells of. Raises ValueError where it can't be read."""
    if record.override is None:
        return None
    found = Override(
        subject=subject,
        decision=record.override,
        by=record.override_by or "",
        reason=record.override_reason or "",
        at=record.override_at or "",
        until=record.override_until or "",
        even_stale=record.override_even_stale,
    )
    for time in (found.at, found.until):
        instant_us(time)
    return found
