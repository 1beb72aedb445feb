"""The quarantine records of a worker: counted at once, logged together, once a minute."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from agents.views.projector import BadRecord
from streams import logs, metrics
from streams.errors import ErrorCode

QUIET_SECONDS = 60.0


class QuarantineCounts:
    """A tally of what has not been logged yet. A line per record, or one a second for as long as a producer
    is wrong, would bury the rest of the log. `clock`: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._unlogged: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._examples: dict[str, BadRecord] = {}
        self._logged_at: dict[str, float] = {}

    def add(self, reasons: Mapping[tuple[str, str], int], examples: Mapping[str, BadRecord] = {}) -> None:
        """Add records by code and reason, with one of each code; the metrics include them at once."""
        self._examples = {**examples, **self._examples}
        for (code, reason), count in reasons.items():
            metrics.QUARANTINE.labels(code, reason).inc(count)
            metrics.ERRORS.labels(code).inc(count)
            self._unlogged[code][reason] += count

    def log(self, *, last: bool = False) -> None:
        """One error for each code with new records: the first at once, then one a minute with all that came
        meanwhile. Call it about once a second, and with `last` at the end, for the rest.
        """
        now = self._clock()
        for code, reasons in sorted(self._unlogged.items()):
            logged_at = self._logged_at.get(code)
            if not last and logged_at is not None and now - logged_at < QUIET_SECONDS:
                continue
            why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
            logs.log_coded(
                ErrorCode[code], f"records were quarantined: {why}", reasons.total(), self._example(code)
            )
            self._logged_at[code] = now
            del self._unlogged[code]

    def _example(self, code: str) -> dict[str, str | float | None]:
        """The first of those that a line tells of, so that one can be looked at."""
        found = self._examples.pop(code, None)
        if found is None:
            return {}
        return {name: value for name, value in found._asdict().items() if value is not None}
