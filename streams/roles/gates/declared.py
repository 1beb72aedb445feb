"""All gates that are on, evaluated each at its own pace, and what became of those that are off."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.gates.alarms import AlarmCode
from agents.gates.evaluator import GateEvaluator, Publication
from agents.protocols import FeedRecord
from streams import metrics
from streams.errors import ErrorCode
from streams.feed.replica import Replica
from streams.roles.gates.limits import GateOn
from streams.settings import Settings
from tables.gates.figures import FiguresReader
from tables.gates.overrides import Override
from tables.gates.records import split_key
from tables.gates.rule import GateState

log = logging.getLogger(__name__)

CODES = {GateState.ALARM: ErrorCode.QUALITY_CHECK_FAILED, GateState.STALE: ErrorCode.PIPELINE_LAG_EXCEEDED}
"""An alarm is raised when a gate closes: what it watches is bad, or that is not known."""
SWEEP_SECONDS = 600.0


@dataclass
class _Declared:
    """The gates of one declaration. `due_at`, `swept_at`: on the monotonic clock."""

    evaluator: GateEvaluator
    reader: FiguresReader
    due_at: float = 0.0
    swept_at: float = 0.0
    refused: int = 0


class DeclaredGates:
    """While a process leads. Gates that are off, but have records, are ended with the first evaluation."""

    def __init__(self, settings: Settings, on: Sequence[GateOn]) -> None:
        codes = {state: AlarmCode(code.name, code.severity) for state, code in CODES.items()}
        self._gates = {
            one.gate.name: _Declared(
                GateEvaluator(one.gate, one.words(), one.rule(settings), codes), one.reader()
            )
            for one in on
        }
        self._off: dict[bytes, bytes] = {}
        self._currencies: set[tuple[str, str]] = set()

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Restore a record of ops.gates, in order."""
        found = split_key(key)
        declared = self._gates.get(found[0]) if found else None
        if found is not None and declared is not None:
            declared.evaluator.restore(found[1], value)
        elif value is None:
            self._off.pop(key, None)
        else:
            self._off[key] = value

    async def evaluate(
        self, replica: Replica, now_us: int, monotonic: float, overrides: Mapping[str, Override]
    ) -> Publication:
        """One evaluation of all gates whose turn it is."""
        out = Publication([], [])
        situation = replica.situation()
        for declared in self._gates.values():
            if monotonic < declared.due_at:
                continue
            declared.due_at = monotonic + declared.reader.evaluate_seconds - 0.05
            read = declared.reader.read
            reading = await replica.run(lambda state, read=read: read(state, situation))  # type: ignore[misc]
            found = [declared.evaluator.evaluate(reading, now_us, overrides)]
            if reading.stale is None and monotonic - declared.swept_at > SWEEP_SECONDS:
                declared.swept_at = monotonic
                kept = await replica.run(declared.reader.kept)
                found.append(declared.evaluator.end_gates(kept, now_us))
            _tell_refused(declared)
            for one in found:
                out.gates.extend(one.gates)
                out.alarms.extend(one.alarms)
        out.gates.extend(self._ended())
        return out

    def _ended(self) -> list[FeedRecord]:
        ended, self._off = self._off, {}
        if ended:
            names = sorted({found[0] for key in ended if (found := split_key(key))})
            log.info("%d gates of %s are off: their records are ended", len(ended), ", ".join(names))
        return [(key, None) for key in ended]

    def show(self) -> None:
        """Export their states."""
        now: set[tuple[str, str]] = set()
        for name, declared in self._gates.items():
            for currency, state in declared.evaluator.worst().items():
                metrics.GATE_STATE.labels(name, currency).set(state.rank)
                now.add((name, currency))
            for state, count in declared.evaluator.counts().items():
                metrics.GATES.labels(name, state.value).set(count)
        for name, currency in self._currencies - now:
            metrics.GATE_STATE.remove(name, currency)
        self._currencies = now


def _tell_refused(declared: _Declared) -> None:
    refused, before = declared.evaluator.refused, declared.refused
    declared.refused = refused
    if refused and not before:
        log.warning(
            "gate %s: %d of its gates are beyond the most there may be, have no record and count as closed",
            declared.evaluator.gate.name,
            refused,
        )
