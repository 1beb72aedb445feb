"""The demo's marketplace: what the simulator is told, and the gates' changes said aloud."""

from __future__ import annotations

from streams.cli.common import say
from streams.http.client import ApiClient, ApiError

CITIES = ("berlin", "london", "stockholm")
LEAK_AFTER_SECONDS = 60
LEAK_SECONDS = 90
CALM_GATES = {
    "SLUICE_RECON_MIN_MINOR": "500000",
    "SLUICE_GATE_RAISE": "20",
    "SLUICE_GATE_CLEAR": "50",
}
"""A market that has just opened, and is small, is not judged by every payout that is still under way."""

SIMULATE = (
    "simulate",
    *("--rate", "300", "--flat", "--cities", ",".join(CITIES)),
    *("--bad", "0.01", "--duplicates", "0.01", "--late", "0.01", "--recon-leak", "0.5"),
    *("--leak-after", f"{LEAK_AFTER_SECONDS}s", "--leak-until", f"{LEAK_AFTER_SECONDS + LEAK_SECONDS}s"),
)
"""300 events a second of three cities; for a while half of the payouts are 1.5 times their charge."""

ANNOUNCED = f"""
A simulated marketplace in {", ".join(CITIES)} goes on from here. In {LEAK_AFTER_SECONDS} s it begins
to pay out too much, for {LEAK_SECONDS} s: watch the gates close below, and open again some minutes later.
(The gates of the shop's countries are in alarm from the start: its invoices have charges and no payouts.)
"""


def say_gate_changes(client: ApiClient, states: dict[tuple[str, str], str]) -> None:
    """Say which gates of the simulated cities are no longer in the state that `states` has, and update it.

    An api that does not answer now is asked again by the next call.
    """
    try:
        rows = client.get("/v1/gates/recon")["rows"]
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
