"""The commit protocol under everything at once: many writers, crashes anywhere, failures, lost answers."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents import backoff
from agents.bronze.commit import Committer
from agents.bronze.layout import layout_of, layout_of_intent
from agents.sink import OvertakenError
from streams.store.bronze_reader import BronzeReader
from streams.store.bronze_verify import verify
from tests.support.bronze import FORMER, MemoryStore, Record, built, failing_now_and_then, nothing
from tests.support.events import AT_MS, click, declined
from tests.support.examples import examples

LOG = [
    Record(offset, AT_MS + offset, declined(offset) if offset % 3 else click(offset, city="rome"))
    for offset in range(60)
    if offset % 7
]
END = LOG[-1].offset + 1
LAYOUTS = [layout_of([]), layout_of(["search"]), layout_of(["search", "bookings"]), FORMER]


@pytest.fixture(autouse=True, scope="module")
def no_waiting() -> None:
    backoff.FIRST_SECONDS = 0.0


async def write(store: MemoryStore, draw: random.Random, writer: int) -> None:
    """Write the whole log, from wherever the store says."""
    committer = Committer(store, "events.raw", 0, f"writer-{writer}", lambda *_: None)
    while True:
        resume = await committer.resume(None)
        at = resume.next or 0
        while at < END:
            until = resume.intent.next if resume.intent is not None else min(END, at + draw.randrange(1, 20))
            layout = draw.choice(LAYOUTS)  # a setting that changes at any time
            if resume.intent is not None:
                layout = layout_of_intent(resume.intent, layout)
            resume = resume._replace(intent=None)
            made = built([record for record in LOG if at <= record.offset < until], at, until, layout)
            try:
                at = (await committer.commit(made)).next
            except OvertakenError:
                break
        if at >= END:
            return


async def run(seed: int, writers: int, crashes: int, share: float) -> None:
    draw = random.Random(seed)
    store = MemoryStore()
    store.before = failing_now_and_then(share, draw.random)
    store.after = failing_now_and_then(share, draw.random)
    tasks = [asyncio.create_task(write(store, draw, number)) for number in range(writers)]
    for crash in range(crashes):
        for _ in range(draw.randrange(60)):
            await asyncio.sleep(0)
        victim = draw.randrange(writers)
        tasks[victim].cancel()
        await asyncio.gather(tasks[victim], return_exceptions=True)
        tasks[victim] = asyncio.create_task(write(store, draw, writers + crash))
    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    store.before = store.after = nothing
    verdict = await verify(store)
    assert verdict.problems == []
    assert verdict.unfinished == 0
    rows = [json.loads(row) async for row in BronzeReader(store).rows()]
    assert sorted(row["_kafka"]["offset"] for row in rows) == [record.offset for record in LOG]
    for row in rows:
        offset = row.pop("_kafka")["offset"]
        (value,) = [record.value for record in LOG if record.offset == offset]
        assert value is not None
        assert row == json.loads(value)


@examples(60)
@given(
    seed=st.integers(0, 2**32), writers=st.integers(1, 4), crashes=st.integers(0, 12),
    share=st.sampled_from([0.0, 0.05, 0.3]),
)  # fmt: skip
@example(seed=3, writers=3, crashes=12, share=0.3)  # a stopped writer of another layout
def test_each_offset_is_committed_once(seed: int, writers: int, crashes: int, share: float) -> None:
    asyncio.run(run(seed, writers, crashes, share))
