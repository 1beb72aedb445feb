"""Asks for views while their definitions are switched, and holds the answers against SQL afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from streams.settings import Settings
from tests.oracle.queries import LATEST_VIEWS
from tests.oracle.views import Oracle, by_dimensions, differences
from tests.support.chaos.traffic import cancelled
from tests.support.feed import micros
from tests.support.kafka import Read
from tests.support.processes import Role

EVER = {"from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}


class Answers:
    """Of each view the newest answer by its former definition, and the first by its new one, as they come.

    `wrong`: a former definition that answers again; `since` where nothing is missing.
    """

    def __init__(self, api: Role, views: Sequence[str]) -> None:
        self.former: dict[str, dict[str, Any]] = {}
        self.new: dict[str, dict[str, Any]] = {}
        self.count = 0
        self.wrong: list[str] = []
        self._api, self._views = api, views
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=10) as client:
            while True:
                for view in self._views:
                    params = {} if view in LATEST_VIEWS else EVER
                    url = await self._api.url(f"/v1/views/{view}")
                    self._take(view, (await client.get(url, params=params)).json())
                await asyncio.sleep(0.05)

    def _take(self, view: str, answer: dict[str, Any]) -> None:
        self.count += 1
        if answer["since"] is not None:
            self.wrong.append(f"{view}: since {answer['since']}")
        if not any("former definition" in warning for warning in answer.get("warnings", ())):
            self.new.setdefault(view, answer)
        elif view in self.new:
            self.wrong.append(f"{view}: its former definition answers again")
        else:
            self.former[view] = answer

    async def stop(self) -> None:
        await cancelled(self._task)


def answer_differences(
    answers: Mapping[str, dict[str, Any]],
    records: Mapping[str, Sequence[Read]],
    settings: Settings,
    scratch: Path,
) -> list[str]:
    """Hold each view's answer against SQL over just the records that it says it rests on."""
    found = []
    for view, answer in answers.items():
        ends = {(one["topic"], one["partition"]): one["checkpoint_offset"] for one in answer["partitions"]}
        below = {
            topic: [read for read in reads if read.offset < ends[topic, read.partition]]
            for topic, reads in records.items()
        }
        oracle = Oracle(
            below, scratch, pane_hours=settings.pane_hours, dedupe_seconds=settings.dedupe_seconds
        )
        window: dict[str, int] = {}
        if answer["from"] is not None:
            window = {"from_us": micros(answer["from"]), "to_us": micros(answer["to"])}
        expected = oracle.rows(view, as_of_us=micros(answer["as_of"]), **window)
        shown = by_dimensions(view, answer["rows"])
        measured = {name for row in shown.values() for name in row}  # a former definition may have fewer
        expected = {
            group: {name: value for name, value in row.items() if name in measured}
            for group, row in expected.items()
        }
        found += differences(view, expected, shown)
    return found
