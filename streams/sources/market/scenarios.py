"""Named incidents of the marketplace: what happens, and from when until when."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """An incident. `share` is of what it befalls; `source` the one producer that has it ("": all have).

    It lasts from `from_s` until before `until_s`, in seconds from the start. Raises `ValueError`, which names
    the scenario.
    """

    name: str
    text: str
    share: float = 1.0
    source: str = ""
    from_s: float = 60.0
    until_s: float = 150.0

    def __post_init__(self) -> None:
        if not 0 <= self.from_s < self.until_s < float("inf"):
            raise ValueError(
                f"{self.name} must end after it begins, not from {self.from_s:g} to {self.until_s:g} s"
            )


RECON_LEAK, PAYOUT_STALL, SCHEMA_BREAK = "recon-leak", "payout-stall", "schema-break"
LATE_FLOOD, DISPUTE_WAVE, BAD_PRODUCER = "late-flood", "dispute-wave", "bad-producer"

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(name=RECON_LEAK, text="every payout is half as much again as its charge"),
        Scenario(name=PAYOUT_STALL, text="payouts are initiated, and neither paid nor failed"),
        Scenario(
            name=SCHEMA_BREAK, text="a release of the iOS app sends positions as text",
            source="ios/5.9.2",
        ),
        Scenario(name=LATE_FLOOD, text="half of the events come late, by seconds to minutes", share=0.5),
        Scenario(name=DISPUTE_WAVE, text="a third of the charges are disputed", share=0.35),
        Scenario(
            name=BAD_PRODUCER, text="each good event of the messaging service comes with a bad one",
            source="messaging-service",
        ),
    )
}  # fmt: skip
"""By name."""

_WINDOW = re.compile(
    r"(?P<name>[^@]+)(?:@(?P<from>\d{1,7}(?:\.\d{1,3})?)s?-(?P<until>\d{1,7}(?:\.\d{1,3})?)s?)?"
)


def choose_scenarios(texts: Sequence[str]) -> tuple[Scenario, ...]:
    """Scenarios from `recon-leak`, `late-flood@30s-90s`, or a comma list of such.

    Raises `ValueError`, which lists the names, or says what is wrong with the times.
    """
    chosen: dict[str, Scenario] = {}
    for text in (part.strip() for whole in texts for part in whole.split(",")):
        match = _WINDOW.fullmatch(text)
        name = text.partition("@")[0]
        if name not in SCENARIOS:
            raise ValueError(f"there is no scenario {name[:80]!r}: there are {', '.join(SCENARIOS)}")
        if match is None:
            raise ValueError(f"{text[:80]!r} is not a scenario with its time, such as {name}@30s-90s")
        if name in chosen:
            raise ValueError(f"{name} is named twice")
        chosen[name] = SCENARIOS[name]
        if match["from"] is not None:
            chosen[name] = replace(chosen[name], from_s=float(match["from"]), until_s=float(match["until"]))
    return tuple(chosen.values())


class Incidents:
    """The scenarios of one simulation, by its clock."""

    def __init__(self, scenarios: Sequence[Scenario], start_us: int) -> None:
        self._windows = {
            each.name: (start_us + int(each.from_s * 1e6), start_us + int(each.until_s * 1e6), each)
            for each in scenarios
        }

    def during(self, name: str, now_us: int) -> Scenario | None:
        """The scenario, if it lasts now."""
        window = self._windows.get(name)
        return window[2] if window is not None and window[0] <= now_us < window[1] else None

    def end_us(self, name: str, now_us: int) -> int | None:
        """When the scenario that lasts now ends."""
        return self._windows[name][1] if self.during(name, now_us) else None
