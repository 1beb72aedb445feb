"""Invariant: the views are what SQL makes of Bronze, and the quarantine is what lies in `_bad/`."""

from __future__ import annotations

from collections.abc import Iterable

from tests.oracle.views import VIEWS, Oracle
from tests.support.bronze_rows import Bronze
from tests.support.feed import api_has_read, feed_reader, view_differences, windows
from tests.support.kafka import read_all
from tests.support.processes import Role, Sluice


async def hold_views(sluice: Sluice, api: Role, bronze: Bronze, views: Iterable[str] = VIEWS) -> None:
    """Each of these views, as the api answers it, is what its SQL says of Bronze's rows."""
    settings = sluice.settings
    oracle = Oracle(
        bronze.records, sluice.folder, pane_hours=settings.pane_hours, dedupe_seconds=settings.dedupe_seconds
    )
    counts = oracle.counts()
    assert all(counts.values()), f"the load has all kinds: {counts}"
    await api_has_read(api, await feed_reader(settings))
    for number in range(3):
        answers = {}
        for view in views:
            choices = windows(view, oracle.newest_us() or 0)
            response = await api.get(f"/v1/views/{view}", **choices[number % len(choices)])
            assert response.status_code == 200, response.text
            answers[view] = response.json()
            assert answers[view]["rows"]
        assert view_differences(oracle, answers) == []


async def hold_quarantine(sluice: Sluice, bronze: Bronze) -> None:
    """The quarantine's records are the lines of `_bad/`: the same places, reasons and bytes."""
    quarantined = {}
    for read in await read_all(sluice.settings.kafka[0], sluice.settings.topic("events.quarantine")):
        said = {name: (value or b"").decode() for name, value in read.headers}
        place = (said["topic"], int(said["partition"]), int(said["offset"]))
        quarantined[place] = (said["code"], said["reason"], said["field"], said["detail"], read.value)
    values = {
        (topic, record.partition, record.offset): record.value
        for topic, records in bronze.records.items()
        for record in records
    }
    laid_down = {
        place: (row["code"], row["reason"], row["field"], row["detail"], values[place])
        for place, row in bronze.bad.items()
    }
    assert len(laid_down) > 500
    assert laid_down == quarantined
