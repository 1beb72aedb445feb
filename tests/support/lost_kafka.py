"""A Kafka that is lost with all it had, and what is left: Bronze, and what the api answered before."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from streams.embedded.broker import EmbeddedKafka
from tests.support.bronze_rows import Bronze
from tests.support.feed import windows
from tests.support.kafka import Read
from tests.support.processes import Role, Sluice


def destroy(kafka: EmbeddedKafka) -> None:
    """The broker and its folder are gone."""
    kafka.stop()
    shutil.rmtree(kafka.folder)


def after(sluice: Sluice, kafka: EmbeddedKafka, **settings: Any) -> Sluice:
    """The same deployment on a new Kafka: its Bronze goes on in `store-2`, after the former one."""
    before = sluice.settings
    folder = sluice.folder / "after"
    folder.mkdir()
    return Sluice(
        folder,
        kafka.bootstrap,
        before.prefix,
        partitions=before.partitions,
        bronze_url=f"file://{sluice.folder}/store-2",
        bronze_former=before.bronze_url,
        **settings,
    )


async def answers_of(api: Role, views: Iterable[str], newest_us: int) -> dict[str, list[Any]]:
    """The rows of each view over several windows up to a time, and the entities behind it."""
    answers: dict[str, list[Any]] = {}
    for view in views:
        for params in windows(view, newest_us):
            response = await api.get(f"/v1/views/{view}", **params)
            assert response.status_code == 200, response.text
            told = response.json()
            assert told["since"] is None, (view, told["since"])
            answers.setdefault(view, []).append((told["watermark"], told["rows"]))
    return answers


def content_of(folder: Path) -> dict[str, str]:
    """Every file below a folder and what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def one_line(former: Bronze, now: dict[str, list[Read]]) -> dict[str, list[Read]]:
    """The records of a former Bronze, at offsets below 0, and those of Kafka now."""
    records = {}
    for topic in former.records.keys() | now.keys():
        before = former.records[topic]
        ends = {read.partition: read.offset + 1 for read in before}  # ascending
        records[topic] = [read._replace(offset=read.offset - ends[read.partition]) for read in before]
        records[topic] += now.get(topic, [])
        records[topic].sort(key=lambda read: (read.partition, read.offset))
    return records
