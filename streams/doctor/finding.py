"""What a check answers, and what it is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from streams.settings import Settings

State = Literal["good", "note", "wrong"]
GOOD: State = "good"
NOTE: State = "note"
WRONG: State = "wrong"
MOST_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `state` is good, note (worth knowing) or wrong; `mend` is what to do,
    and `runbook` the page that says more; of what is wrong the check's own (examine.py), if it names none."""

    what: str
    state: State
    found: str
    mend: str = ""
    runbook: str = ""


@dataclass(frozen=True)
class Patient:
    """What is examined: settings, and how long a check may take, in seconds.

    `without`: roles that are not run here on purpose.
    """

    settings: Settings
    seconds: float
    without: frozenset[str] = frozenset()


def some(names: Sequence[str]) -> str:
    """The first `MOST_NAMED`, and how many more."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


Check = Callable[[Patient], Awaitable[Sequence[Finding]]]
"""A check may raise: that is a finding too."""
