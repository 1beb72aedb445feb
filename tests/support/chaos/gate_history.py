"""Holds all that was published about gates against the rules of docs/contract.md §3 and docs/gates.md."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from streams.settings import Settings
from tests.oracle.views import Oracle
from tests.support.feed import micros
from tests.support.kafka import Read

RANKS = {"ok": 0, "warn": 1, "alarm": 2, "stale": 3}
CODES = {"alarm": "QUALITY_CHECK_FAILED", "stale": "PIPELINE_LAG_EXCEEDED"}
VALID_US = 15_000_000
SHORTEST_CLEAR_US = 500_000
"""Ten evaluations a tenth of a second apart, less what a busy machine delays the first of them."""

Record = dict[str, Any]


class Change(NamedTuple):
    """A gate came into a state at `at_us`; `ended_us`: when it left it, None if it has not."""

    key: str
    state: str
    at_us: int
    ended_us: int | None


def decoded(reads: Iterable[Read]) -> dict[str, list[Record]]:
    """Each gate's records in order."""
    found: dict[str, list[Record]] = defaultdict(list)
    for read in reads:
        assert read.key is not None
        assert read.value is not None, f"gate {read.key!r} has ended, though its events are in the panes"
        found[read.key.decode()].append(json.loads(read.value))
    return found


def gate_differences(reads: Sequence[Read], settings: Settings) -> list[str]:
    """What is wrong with the records by themselves, and with the steps from each to the next."""
    found: list[str] = []
    evaluated_us = 0
    for read in reads:  # one writer at a time: what a former leader had seen is never written later
        at_us = micros(json.loads(read.value or b"")["evaluated_at"])
        if at_us < evaluated_us:
            found.append(f"ops.gates@{read.offset} was evaluated before the record before it")
        evaluated_us = at_us
    for key, records in decoded(reads).items():
        before: Record | None = None
        for record in records:
            wrong = [*_alone(key, record), *_step(before, record, settings)]
            found += [f"gate {key}: {what}: {before} → {record}" for what in wrong]
            before = record
    return found


def _alone(key: str, record: Record) -> list[str]:
    found = []
    if key != f"{record['city'] or ''}|{record['currency']}" or record["gate"] != "recon":
        found.append("its key is not its own")
    if record["open"] is not (record["state"] in ("ok", "warn")):
        found.append("open does not fit the state")
    if micros(record["valid_until"]) - micros(record["evaluated_at"]) != VALID_US:
        found.append("is not valid for 15 s")
    if micros(record["since"]) > micros(record["evaluated_at"]):
        found.append("is in its state since later")
    charges, variance, ratio = record["charges_minor"], record["variance_minor"], record["variance_ratio"]
    if ratio != (abs(variance) / charges if charges else None):
        found.append("variance_ratio is not abs(variance) ÷ charges")
    return found


def _step(before: Record | None, record: Record, settings: Settings) -> list[str]:
    state = record["state"]
    if before is None:
        began = (state, record["previous"]) in (("ok", None), ("stale", "ok"))
        return [] if began else ["a gate begins as ok, and may be stale at once"]
    if state == before["state"]:
        same = all(record[name] == before[name] for name in ("since", "previous"))
        return [] if same else ["the state is the same, since or previous is not"]
    found = []
    if record["previous"] != before["state"]:
        found.append("previous is not the state before")
    if record["since"] != record["evaluated_at"]:
        found.append("since is not when it changed")
    if state == "stale":
        return found
    if RANKS[state] > RANKS[before["state"]]:
        level = plain_level(record, settings)
        if level is None or RANKS[level] < RANKS[state]:
            found.append(f"got worse on figures that are {level}")
        return found
    return [*found, *_better(before, record, settings)]


def _better(before: Record, record: Record, settings: Settings) -> list[str]:
    """What is wrong with a step to a better state."""
    state, found = record["state"], []
    best = plain_level(record, settings, settings.gate_clear_at)
    held = (before["previous"] or "ok") if before["state"] == "stale" else before["state"]
    if RANKS[best or held] > RANKS[state]:
        found.append(f"got better on figures that allow {best}")
    # Not so where the state before was reached from a worse one: the ten began before it did.
    worsened = RANKS[before["state"]] > RANKS[before["previous"] or "ok"]
    stayed = micros(record["since"]) - micros(before["since"])
    if worsened and stayed < SHORTEST_CLEAR_US:
        found.append("got better sooner than ten evaluations take")
    if before["state"] != "stale" and stayed < settings.gate_hold_seconds * 1_000_000:
        found.append("got better sooner than it may")
    return found


def plain_level(record: Record, settings: Settings, of: Decimal = Decimal(1)) -> str | None:
    """The level that a record's figures are of, by this share of the limits; None: too little to judge."""
    charges, variance = record["charges_minor"], record["variance_minor"]
    if max(charges, charges - variance) < settings.recon_min_minor:
        return None
    if charges == 0:
        return "alarm"
    ratio = Fraction(abs(variance), charges)
    if ratio > Fraction(settings.recon_alarm) * Fraction(of):
        return "alarm"
    return "warn" if ratio > Fraction(settings.recon_warn) * Fraction(of) else "ok"


def changes(reads: Iterable[Read]) -> list[Change]:
    """Every state that a gate came into."""
    found: list[Change] = []
    for key, records in decoded(reads).items():
        into = [record for record in records if record["since"] == record["evaluated_at"]]
        starts = [(record["state"], micros(record["since"])) for record in into]
        ends = [at_us for _, at_us in starts[1:]]
        found += [
            Change(key, state, at_us, ended)
            for (state, at_us), ended in zip(starts, [*ends, None], strict=True)
        ]
    return found


def alarm_differences(reads: Sequence[Read], told_all: Sequence[Record]) -> list[str]:
    """Each change into a closed state is raised once, by the id of that change; once cleared if it ended.
    Others than the gates' are left out: a partition that is behind has one of its own.
    """
    alarms = [alarm for alarm in told_all if alarm["alarm_id"].startswith("recon/")]
    expected: dict[tuple[str, str], tuple[str, int]] = {}
    for key, state, at_us, ended_us in changes(reads):
        if state in CODES:
            alarm_id = f"recon/{key}/{state}/{at_us}"
            expected[alarm_id, "raised"] = (CODES[state], at_us)
            if ended_us is not None:
                expected[alarm_id, "cleared"] = (CODES[state], ended_us)
    told = Counter((alarm["alarm_id"], alarm["state"]) for alarm in alarms)
    found = [f"not told: {one}" for one in expected.keys() - told.keys()]
    found += [f"told {times} times: {one}" for one, times in told.items() if times > 1]
    found += [f"of no change of a gate: {one}" for one in told.keys() - expected.keys()]
    raised: set[str] = set()
    for alarm in alarms:
        code, at_us = expected.get((alarm["alarm_id"], alarm["state"]), (alarm["code"], micros(alarm["at"])))
        if (alarm["code"], micros(alarm["at"])) != (code, at_us):
            found.append(f"not as the gate changed ({code} at {at_us}): {alarm}")
        if alarm["subject"] != alarm["alarm_id"].rpartition("/")[0].rpartition("/")[0]:
            found.append(f"of another subject: {alarm}")
        if alarm["state"] == "cleared" and alarm["alarm_id"] not in raised:
            found.append(f"cleared before it was raised: {alarm}")
        raised.add(alarm["alarm_id"])
    return found


def figure_differences(newest: Mapping[str, Record], oracle: Oracle) -> list[str]:
    """Hold each gate's newest figures against the SQL of the same window."""
    found: list[str] = []
    rows: dict[tuple[int, int], dict[tuple[str | None, ...], Record]] = {}
    for key, record in newest.items():
        window = micros(record["window_from"]), micros(record["window_to"])
        if window not in rows:
            rows[window] = oracle.rows("ops_recon_variance", from_us=window[0], to_us=window[1])
        row = rows[window].get((record["city"], record["currency"]), {})
        expected = row.get("charges_minor", 0), row.get("variance_minor", 0)
        if (record["charges_minor"], record["variance_minor"]) != expected:
            found.append(f"gate {key}: charges and variance are {expected} in SQL: {record}")
    for window, there in rows.items():
        keys = {f"{city or ''}|{currency}" for city, currency in there}
        found += [f"no gate for {key}, which has events in {window}" for key in keys - newest.keys()]
    return found
