"""Whether a contestant's result is right; if it is not, its row is void."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tests.bench.peers.oracle import Expected, Sums

RECON = {
    "charges_minor": "charge.succeeded",
    "payouts_minor": "payout.paid",
    "refunds_minor": "refund.succeeded",
    "fees_minor": "fee.assessed",
}
"""What the view ops_recon_variance adds up."""

Pair = tuple[str | None, str]
"""City and currency."""


class Result(NamedTuple):
    """What a contestant has left behind."""

    sums: Sums
    quarantined: int


def wrong_job(expected: Expected, found: Result) -> str:
    """Why a peer's result is wrong, or nothing. Peers do not look for repeated events."""
    return _wrong_sums(expected.sums, found.sums) or _wrong_count(
        "records in quarantine", expected.bad, found.quarantined
    )


def wrong_limit(expected: Expected, found: Mapping[str, int]) -> str:
    """Of a limit: it has decoded every record, and some of the bad ones were refused."""
    refused = found["refused"]
    if not 0 < refused <= expected.bad:
        return f"{refused:,} records were refused, of which {expected.bad:,} are bad"
    return _wrong_count("records read", expected.records, found["records"])


def wrong_views(
    expected: Expected, rows: Iterable[Mapping[str, object]], outcomes: Mapping[str, int], quarantined: int
) -> str:
    """Of Sluice: its recon variance by city and currency, what it counted, and its quarantine topic."""
    found = {(row["city"], row["currency"]): [row[measure] for measure in RECON] for row in rows}
    accepted = expected.records - expected.bad - expected.repeated
    counts = {"accepted": accepted, "duplicate": expected.repeated, "quarantined": expected.bad}
    for outcome, count in counts.items():
        if problem := _wrong_count(f"events counted as {outcome}", count, outcomes.get(outcome, 0)):
            return problem
    return _wrong_sums(recon_of(expected.once), found) or _wrong_count(
        "records in quarantine", expected.bad, quarantined
    )


def recon_of(sums: Sums) -> dict[Pair, list[int]]:
    """The amounts of `RECON`, in its order, of each city and currency that has any."""
    column = {event: at for at, event in enumerate(RECON.values())}
    recon: dict[Pair, list[int]] = {}
    for group, (_, amount) in sums.items():
        event, city, currency, _ = group.split("|")
        if event in column:
            recon.setdefault((city or None, currency), [0] * len(RECON))[column[event]] += amount
    return recon


def _wrong_sums(expected: Mapping[Any, Any], found: Mapping[Any, Any]) -> str:
    wrong = [group for group in {**expected, **found} if expected.get(group) != found.get(group)]
    if not wrong:
        return ""
    first = min(wrong, key=str)
    return (
        f"{len(wrong):,} of {len(expected):,} sums are wrong, such as {first}:"
        f" {found.get(first)} instead of {expected.get(first)}"
    )


def _wrong_count(what: str, expected: int, found: int) -> str:
    return "" if found == expected else f"{found:,} {what} instead of {expected:,}"
