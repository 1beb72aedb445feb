"""Holds an answer against its definition, run as SQL over exactly the records that it rests on."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from streams.verify.answer import OTHER, Answer
from streams.verify.bronze_source import BronzeSource
from streams.verify.compare import Difference, differences
from streams.verify.ranges import Progress
from streams.verify.records import Cities, Records
from streams.verify.rows import computed_rows, is_computable, judge
from streams.verify.rules import Limits
from streams.verify.wish import Wish, own_wish
from tables.spec.experiment import Experiment
from tables.spec.view import View

FOLDER = "sluice-verify-"


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
    if answer.partial_until is not None:
        why = "; ".join(answer.because) or "it began later, or records were lost"
        return f"events from before {answer.partial_until} may be missing from the answer: {why}"
    if isinstance(view, Experiment) and answer.has_others:
        return f"experiments beyond SLUICE_MAX_GROUPS are one, {OTHER}: which, depends on their order"
    return None


async def prove(answer: Answer, bronze: BronzeSource, bench: Bench, told: Progress) -> Verdict:
    """Prove an answer that has no obstacle over what Bronze has, which is all of its records.

    Raises `StoreError`, `CorruptFileError`, `RecordsError`.
    """

    async def load(records: Records, wish: Wish) -> list[str]:
        return await bronze.load(records, wish, told)

    async with proving(answer, bench, load) as (verdict, _):
        return verdict


@asynccontextmanager
async def proving(
    answer: Answer, bench: Bench, load: Load, cities: Cities = None
) -> AsyncIterator[tuple[Verdict, Records]]:
    """The verdict on an answer that is computable, and the judged records that it rests on.

    `cities`: those whose events may be seen, where the answer is of them alone.
    """
    own = own_wish(answer)
    verdict = Verdict(answer.view, answer)
    for wish in (own, own.everything):
        with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
            records = Records(
                Path(folder),
                answer.spans,
                memory_mb=bench.memory_mb,
                pane_hours=bench.limits.pane_hours,
                kept=answer.view.events,
                cities=cities,
            )
            try:
                await _judge(verdict, answer, records, bench.limits, await load(records, wish))
                if verdict.state is not State.DIFFERENT or wish == own.everything:
                    yield verdict, records
                    return
            finally:
                await records.close()


async def _judge(
    verdict: Verdict, answer: Answer, records: Records, limits: Limits, missing: list[str]
) -> None:
    await judge(records, answer, limits)
    (counted,) = await records.rows("SELECT (SELECT count(*) FROM loaded) + (SELECT count(*) FROM bad) AS n")
    verdict.records = counted["n"]
    why = obstacle(answer)
    verdict.notes = ([] if why is None else [why]) + [f"there are no longer {one}" for one in missing]
    if verdict.notes:
        return
    rows = [row for row in await computed_rows(records, answer, limits) if answer.wants(row)]
    verdict.differences = differences(answer.view, answer.group_by, answer.rows, rows)
    verdict.state = State.DIFFERENT if verdict.differences else State.EQUAL
