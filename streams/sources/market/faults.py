"""What goes wrong in the simulated marketplace, and how often."""

from __future__ import annotations

from dataclasses import dataclass

from streams.sources.market.scenarios import Scenario

SHARES = ("late", "duplicates", "bad", "recon_leak")
LARGEST_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Shares from 0 to 0.5 (`recon_leak` to 1).

    - `late`: share of the good events that arrive seconds to minutes after they happened
    - `duplicates`: share of the good events that their producer sends twice: the same bytes, a bit later
    - `bad`: share of all records that are to be quarantined, over every reason of docs/contract.md §1
    - `recon_leak`: share of the payouts that are half as much again as their charge, between `leak_after_s`
      and `leak_until_s` (None: for ever), in seconds from the start
    - `scenarios`: incidents, on top of these shares while they last

    Raises `ValueError` naming the field.
    """

    late: float = 0.0
    duplicates: float = 0.0
    bad: float = 0.0
    recon_leak: float = 0.0
    leak_after_s: float = 0.0
    leak_until_s: float | None = None
    scenarios: tuple[Scenario, ...] = ()

    def __post_init__(self) -> None:
        for name in SHARES:
            share = getattr(self, name)
            largest = 1.0 if name == "recon_leak" else LARGEST_SHARE
            if not 0 <= share <= largest:
                raise ValueError(f"{name} must be 0 to {largest:g}, not {share:g}")
        if self.leak_after_s < 0:
            raise ValueError(f"leak_after_s must not be below 0, but is {self.leak_after_s:g}")
        if self.leak_until_s is not None and self.leak_until_s <= self.leak_after_s:
            raise ValueError(f"leak_until_s ({self.leak_until_s:g}) must be after leak_after_s")
        if self.late + self.duplicates + self.bad_per_event > 1:
            raise ValueError("late, duplicates and bad are together more than every event")

    @property
    def bad_per_event(self) -> float:
        """Bad records put in for each good event, so that `bad` is their share of all records."""
        return self.bad * (1 + self.duplicates) / (1 - self.bad)

    @property
    def records_per_event(self) -> float:
        """Records for each good event: itself, its repeats and the bad ones."""
        return (1 + self.duplicates) / (1 - self.bad)
