"""The quarantined records of a worker: counted at once, told together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from streams import logs, metrics
from streams.errors import ErrorCode


class BadRecords:
    """A tally of what has not been told yet. A line a record would let a flood of bad ones flood the log."""

    def __init__(self) -> None:
        self._untold: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, reasons: Mapping[tuple[str, str], int]) -> None:
        """So many more records by code and reason; the metrics have them at once."""
        for (code, reason), count in reasons.items():
            metrics.QUARANTINE.labels(code, reason).inc(count)
            metrics.ERRORS.labels(code).inc(count)
            self._untold[code][reason] += count

    def tell(self) -> None:
        """One error for each code of which there is something new. Call it about once a second."""
        for code, reasons in sorted(self._untold.items()):
            why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
            logs.tell(ErrorCode[code], f"records were quarantined: {why}", reasons.total(), {})
        self._untold.clear()
