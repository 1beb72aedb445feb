"""What the proof computes is what the views answer, and what the tests' own oracle says: of whatever records,
disordered, repeated, late and spoilt, of every view."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import EVENTS
from streams.verify.answer import Answer
from streams.verify.proof import State
from tables.fold.limits import Limits
from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.spec.view import View
from tables.views import VIEWS
from tests.oracle.views import Oracle
from tests.support.examples import examples
from tests.support.feed import micros, rfc3339, windows
from tests.support.feed_records import TOPIC, situation
from tests.support.kafka import Read
from tests.support.proofs import bench, proved
from tests.support.view_records import CHOICES, IDS, reader_of, records

SHORT = Limits(pane_minutes=30, pane_hours=2, dedupe_seconds=900, closed_hours=1)
"""So short that what is kept by time matters within some hours of records."""
NEVER_HOURS = 1_000_000
START_MS = 1_790_000_000_000
MINUTE_MS = 60_000
PARTITIONS = 2
LATE_MINUTES = (0, 0, 0, 5, 70, 130, 200)


class Drawn(NamedTuple):
    """A record: of which of the view's events, entity and choices; how many minutes after the one before, how
    late; whether it repeats an earlier one, and whether it is spoilt."""

    event: int
    entity: int
    choice: int
    minutes: int
    late: int
    repeats: int
    spoilt: bool


drawn = st.builds(
    Drawn,
    event=st.integers(0, 60),
    entity=st.integers(0, 3),
    choice=st.integers(0, 30),
    minutes=st.integers(0, 25),
    late=st.integers(0, len(LATE_MINUTES) - 1),
    repeats=st.integers(-20, 6),
    spoilt=st.integers(0, 12).map(lambda n: n == 0),
)


def made(view: View, items: Sequence[Drawn]) -> list[Read]:
    """The records of two partitions; those of an entity are on one."""
    names = sorted(view.events) or sorted(EVENTS)
    reads: list[Read] = []
    offsets = [0] * PARTITIONS
    at_ms = START_MS
    for number, item in enumerate(items):
        at_ms += item.minutes * MINUTE_MS
        if 0 < item.repeats <= len(reads):
            partition, value = reads[-item.repeats].partition, reads[-item.repeats].value
        else:
            partition, value = item.entity % PARTITIONS, written(names, item, number, at_ms)
        reads.append(Read(partition, offsets[partition], at_ms, None, value, ()))
        offsets[partition] += 1
    return reads


def written(names: Sequence[str], item: Drawn, number: int, at_ms: int) -> bytes:
    spec = EVENTS[names[item.event % len(names)]]
    payload: dict[str, Any] = dict(spec.examples[0])
    for name in spec.payload.model_fields:
        if name in IDS:
            payload[name] = f"{name}-{item.entity}"
        elif name in CHOICES:
            payload[name] = CHOICES[name][item.choice % len(CHOICES[name])]
        elif name == "amount_minor":
            payload[name] = item.choice * 100
        elif name in ("due_at", "accept_by", "respond_by"):
            payload[name] = rfc3339((at_ms + (item.choice - 15) * 10 * MINUTE_MS) * 1000)
    occurred_ms = at_ms - LATE_MINUTES[item.late] * MINUTE_MS
    envelope = {
        "event_id": f"e{number}", "event": "no.such" if item.spoilt else spec.name, "version": 1,
        "occurred_at": rfc3339(occurred_ms * 1000), "source": "web",
        "city": ["lisbon", "porto", None][item.choice % 3], "payload": payload,
    }  # fmt: skip
    return json.dumps(envelope).encode()


def said(reader: ReaderState, view: View, params: dict[str, str]) -> dict[str, Any]:
    query = parse_view_query(view, list(params.items()))
    newest_us = reader.newest_us() or START_MS * 1000
    return answer_view(reader, view, query, situation(newest_us / 1e6, partitions=PARTITIONS))


def bench_of(limits: Limits) -> Any:
    return bench(
        dedupe_seconds=limits.dedupe_seconds, pane_hours=limits.pane_hours, closed_hours=limits.closed_hours
    )


async def test_every_live_answer_is_proved() -> None:
    reads = records(1)
    reader = reader_of(reads, SHORT)
    rows = 0
    for name, view in VIEWS.items():
        for params in windows(name, reader.newest_us() or 0):
            answer = Answer.of(view, said(reader, view, params))
            verdict = await proved(answer, reads, bench_of(SHORT))
            assert (name, verdict.state, verdict.differences) == (name, State.EQUAL, [])
            rows += len(answer.rows)
    assert rows > 300


@pytest.mark.parametrize(
    ("view", "limits"),
    [
        ("ops_quarantine", SHORT._replace(dedupe_seconds=10**7)),
        ("kpi_gmv", SHORT._replace(pane_hours=10**4)),
        ("ops_payout_backlog", SHORT._replace(pane_hours=10**4)),
        ("ops_acceptance_windows", SHORT._replace(closed_hours=10**4)),
    ],
)
async def test_other_rules_give_other_numbers(view: str, limits: Limits) -> None:
    reads = records(0)
    reader = reader_of(reads, SHORT)
    params = windows(view, reader.newest_us() or 0)[0]
    answer = Answer.of(VIEWS[view], said(reader, VIEWS[view], params))
    assert (await proved(answer, reads, bench_of(SHORT))).state is State.EQUAL
    assert (await proved(answer, reads, bench_of(limits))).state is State.DIFFERENT


@pytest.mark.parametrize("name", VIEWS)
@examples(5, chaos=400)
@given(items=st.lists(drawn, min_size=1, max_size=60))
async def test_whatever_comes_the_proof_and_the_view_agree(name: str, items: list[Drawn]) -> None:
    view = VIEWS[name]
    reads = made(view, items)
    reader = reader_of(reads, SHORT)
    if reader.newest_us() is None:
        return
    for params in windows(name, reader.newest_us() or 0):
        answer = Answer.of(view, said(reader, view, params))
        verdict = await proved(answer, reads, bench_of(SHORT))
        assert (verdict.state, verdict.differences) == (State.EQUAL, [])


@pytest.mark.parametrize("name", VIEWS)
@examples(3, chaos=200)
@given(items=st.lists(drawn, min_size=1, max_size=60))
async def test_whatever_comes_the_proof_and_the_oracle_agree(name: str, items: list[Drawn]) -> None:
    """The oracle forgets no closed entity."""
    limits = SHORT._replace(closed_hours=NEVER_HOURS)
    view = VIEWS[name]
    reads = made(view, items)
    reader = reader_of(reads, limits)
    if reader.newest_us() is None:
        return
    with TemporaryDirectory() as scratch:
        oracle = Oracle(
            {TOPIC: reads}, Path(scratch), pane_hours=limits.pane_hours, dedupe_seconds=limits.dedupe_seconds
        )
        params = windows(name, reader.newest_us() or 0)[0]
        live = said(reader, view, params)
        answer = Answer.of(view, live)
        window = (
            {}
            if answer.start is None
            else {"from_us": micros(answer.start), "to_us": micros(answer.end or "")}
        )
        found = oracle.rows(name, as_of_us=micros(answer.as_of), **window)
    rows = [{**dict(zip(view.dimensions, key, strict=True)), **measures} for key, measures in found.items()]
    verdict = await proved(Answer.of(view, {**live, "rows": rows}), reads, bench_of(limits))
    assert (verdict.state, verdict.differences) == (State.EQUAL, [])
