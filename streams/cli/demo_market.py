"""The demo's marketplace: what the simulator is told, and its incidents and the gates' changes said aloud."""

from __future__ import annotations

from datetime import UTC, datetime

from streams.cli.common import say
from streams.client import ApiError, SluiceClient
from streams.sources.market import choose_scenarios

CITIES = ("berlin", "london", "stockholm")
INCIDENTS = choose_scenarios(("bad-producer@20-50", "recon-leak@60-105", "dispute-wave@180-220"))
"""What goes wrong for a while in the first minutes, one after the other."""
CALM_GATES = {
    "SLUICE_RECON_MIN_MINOR": "500000",
    "SLUICE_GATE_RAISE": "20",
    "SLUICE_GATE_CLEAR": "50",
}
"""A market that has just opened, and is small, is not judged by every payout that is still under way."""

SIMULATE = (
    "simulate",
    *("--rate", "430", "--flat", "--cities", ",".join(CITIES)),
    *("--bad", "0.01", "--duplicates", "0.01", "--late", "0.01"),
    *("--scenario", ",".join(f"{each.name}@{each.from_s:g}s-{each.until_s:g}s" for each in INCIDENTS)),
)
"""430 events a second of three cities, and the incidents."""

ANNOUNCED = f"""
A simulated marketplace in {", ".join(CITIES)} goes on from here. In its first minutes three things go
wrong, each said below: bad records, which `quarantine list` shows; payouts that are too high, which close the
gates until some minutes later; and disputes, which fill ops_dispute_queue and hold payouts back.
(The gates of the shop's countries are in alarm from the start: its invoices have charges and no payouts.)
"""


class Announcements:
    """Says when each of the market's incidents begins and ends."""

    def __init__(self) -> None:
        moments = []
        for each in INCIDENTS:
            lasts = f"{each.until_s - each.from_s:g} s"
            moments.append((each.from_s, f"{each.name} begins, for {lasts}: {each.text}"))
            moments.append((each.until_s, f"{each.name} has ended"))
        self._coming = sorted(moments)

    def say_due(self, since_s: float) -> None:
        """Say what has come to pass by so many seconds after the market began, each once."""
        while self._coming and self._coming[0][0] <= since_s:
            say(f"{datetime.now(UTC):%H:%M:%S}  {self._coming.pop(0)[1]}")


def say_gate_changes(client: SluiceClient, states: dict[tuple[str, str], str]) -> None:
    """Say which gates of the simulated cities are no longer in the state that `states` has, and update it.

    An api that does not answer now is asked again by the next call.
    """
    try:
        rows = client.json("/v1/gates/recon")["rows"]
    except ApiError:
        return
    for row in rows:
        gate, now = (row["city"], row["currency"]), row["state"]
        before = states.get(gate, "ok")
        if row["city"] not in CITIES or now == before:
            continue
        states[gate] = now
        ratio = row["variance_ratio"]
        variance = "no charges" if ratio is None else f"variance {ratio:.1%} of charges"
        door = "open" if row["open"] else "closed"
        at = row["evaluated_at"][11:19]
        say(f"{at}  gate {row['city']} {row['currency']}: {before} → {now}, {door} ({variance})")
