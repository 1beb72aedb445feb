"""Holds an answer against its definition, run as SQL over exactly the records that it rests on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from streams.verify.answer import OTHER, Answer
from streams.verify.bronze_source import BronzeSource
from streams.verify.compare import Difference, differences
from streams.verify.ranges import Progress
from streams.verify.records import Cities, Records
from streams.verify.rows import computed_rows, is_computable, judge
from streams.verify.rules import Limits
from streams.verify.scratch import scratch
from streams.verify.wish import Wish, own_wish
from tables.spec.view import View

OWN_ALONE = "judged by the view's own events alone"


class State(StrEnum):
    """What became of a proof."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNVERIFIED = "unverified"


@dataclass
class Verdict:
    """`answer`: None, where there is none that could be proved. `records`: how many were looked at. `notes`:
    why there is no proof, or what is to be said of it."""

    view: View
    answer: Answer | None
    state: State = State.UNVERIFIED
    records: int = 0
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As commands answer it."""
        told = {} if self.answer is None else self.answer.told()
        return {
            "view": self.view.name,
            "state": self.state.value,
            **told,
            "records": self.records,
            "differences": [one._asdict() for one in self.differences],
            "notes": self.notes,
        }


Load = Callable[[Records, Wish], Awaitable[list[str]]]
"""Loads what is wished for; answers what there is not, in words."""


@dataclass(frozen=True)
class Bench:
    """With what a proof is done: the views' limits, and so much memory for the records."""

    limits: Limits
    memory_mb: int


def obstacle(answer: Answer) -> str | None:
    """Why an answer cannot be proved, whatever the records; None: it can."""
    view = answer.view
    if not is_computable(view):
        return f"{view.name} has measures of kinds for which there is no SQL"
    if (lacks := _lacks(answer)) is not None:
        return lacks
    if answer.sums_others:
        return f"groups beyond SLUICE_MAX_GROUPS are one, {OTHER}: which, depends on their order"
    return None


def _lacks(answer: Answer) -> str | None:
    """What may be missing from an answer; None: nothing of the partitions that it goes over."""
    if not answer.spans and not (answer.rows or answer.because):
        return "there are no records, and no row: nothing can be proved"
    why = "; ".join(answer.because) or "it began later, or records were lost"
    if not answer.spans and answer.because:
        return f"the answer rests on no records: {why}"
    if answer.lacking:
        return f"whole partitions may be missing from the answer: {'; '.join(answer.lacking)}"
    if answer.partial_until is not None:
        return f"events from before {answer.partial_until} may be missing from the answer: {why}"
    return None


async def prove(
    answer: Answer, bronze: BronzeSource, bench: Bench, seconds: float, told: Progress
) -> Verdict:
    """Prove an answer that has no obstacle over what Bronze has, which is all of its records.

    Raises `StoreError`, `CorruptFileError`, `RecordsError`, and `TimeoutError` where the view's own events
    take longer than `seconds`; all records may take as long again.
    """

    async def load(records: Records, wish: Wish) -> list[str]:
        return await bronze.load(records, wish, told)

    async with proving(answer, bench, load, seconds) as (verdict, _):
        return verdict


@asynccontextmanager
async def proving(
    answer: Answer, bench: Bench, load: Load, seconds: float, cities: Cities = None
) -> AsyncIterator[tuple[Verdict, Records]]:
    """The verdict on an answer that is computable, and the judged records that it rests on: the view's own
    events, and only where these do not give its rows, all records. Raises as `prove` does.

    `cities`: those whose events may be seen, where the answer is of them alone.
    """
    own = own_wish(answer)
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(seconds):
            found = await stack.enter_async_context(_judged(answer, bench, load, own, cities))
        if found[0].state is State.DIFFERENT and own.everything != own:
            found = await _surer(found, stack, _judged(answer, bench, load, own.everything, cities), seconds)
        yield found


async def _surer(
    found: tuple[Verdict, Records],
    stack: AsyncExitStack,
    wider: AbstractAsyncContextManager[tuple[Verdict, Records]],
    seconds: float,
) -> tuple[Verdict, Records]:
    """The verdict over all records, where there can be one; else that over the view's own events."""
    verdict, _ = found
    try:
        async with asyncio.timeout(seconds):
            over_all = await stack.enter_async_context(wider)
    except TimeoutError:
        verdict.notes.append(f"{OWN_ALONE}: all records took longer than {seconds:g} s")
        return found
    if over_all[0].state is State.UNVERIFIED:
        verdict.notes += [f"{OWN_ALONE}: {note}" for note in over_all[0].notes]
        return found
    return over_all


@asynccontextmanager
async def _judged(
    answer: Answer, bench: Bench, load: Load, wish: Wish, cities: Cities
) -> AsyncIterator[tuple[Verdict, Records]]:
    with scratch() as folder:
        records = Records(
            folder,
            answer.spans,
            memory_mb=bench.memory_mb,
            pane_hours=bench.limits.pane_hours,
            kept=answer.view.events,
            cities=cities,
        )
        try:
            missing = await load(records, wish)
            await judge(records, answer, bench.limits)
            yield await _verdict(answer, records, bench.limits, missing), records
        finally:
            await records.close()


async def _verdict(answer: Answer, records: Records, limits: Limits, missing: list[str]) -> Verdict:
    why = obstacle(answer)
    notes = ([] if why is None else [why]) + [f"Bronze does not have {one}" for one in missing]
    (counted,) = await records.rows("SELECT (SELECT count(*) FROM loaded) + (SELECT count(*) FROM bad) AS n")
    verdict = Verdict(answer.view, answer, records=counted["n"], notes=notes)
    if not notes:
        rows = [row for row in await computed_rows(records, answer, limits) if answer.wants(row)]
        verdict.differences = differences(answer.view, answer.group_by, answer.rows, rows)
        verdict.state = State.DIFFERENT if verdict.differences else State.EQUAL
        verdict.notes += [f"the answer says that it is incomplete: {reason}" for reason in answer.because]
    return verdict
