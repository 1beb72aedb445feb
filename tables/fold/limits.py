"""What bounds the state of a source partition."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """What bounds the state, as in the settings of the same names. `most_bad`: how many of the last records
    may be bad before the breaker trips; None: it is off."""

    pane_minutes: int
    pane_hours: int
    dedupe_seconds: int
    closed_hours: int
    max_groups: int = 100_000
    most_bad: int | None = None
