"""The feed as tests look at it: how far the workers' checkpoints are, who owns what, and the views in it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.settings import Settings
from tables.codec import Assigned, decode_checkpoint, decode_heartbeat
from tables.definitions import ALIAS
from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.read.status import Situation
from tables.views import VIEWS as DECLARED
from tests.oracle.bad import at
from tests.oracle.judge import parse_time
from tests.oracle.queries import LATEST_VIEWS
from tests.oracle.views import VIEWS, Oracle, by_dimensions, differences
from tests.support.kafka import read_all, wait_until
from tests.support.processes import Role, Sluice

Source = tuple[str, int]


class FeedWatcher:
    """Follows the feed as a read_committed reader, and notes every checkpoint that goes back.

    `next`: source partition → its newest checkpoint; `owners`: → (worker, its newest heartbeat's time, ms);
    `reports`: → what that heartbeat said of it.
    """

    def __init__(self, settings: Settings) -> None:
        self.next: dict[Source, int] = {}
        self.lost: dict[Source, list[tuple[int, int]]] = {}
        self.owners: dict[Source, tuple[str, int]] = {}
        self.reports: dict[Source, Assigned] = {}
        self.wrong: list[str] = []
        self._settings = settings
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=list(settings.kafka), isolation_level="read_committed", enable_auto_commit=False
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        feed = self._settings.topic("views.feed")
        await self._consumer._client.force_metadata_update()
        numbers = self._consumer._client.cluster.partitions_for_topic(feed) or ()
        self._consumer.assign([TopicPartition(feed, number) for number in numbers])
        await self._consumer.seek_to_beginning()
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()

    async def _follow(self) -> None:
        while True:
            try:
                batches = await self._consumer.getmany(timeout_ms=200)
            except KafkaError:
                continue  # a broker that restarts
            for tp, records in batches.items():
                for record in records:
                    self._take(tp.partition, record)

    def _take(self, partition: int, record: Any) -> None:
        kind, _, name = record.key.decode().partition(":")
        if record.value is None or ALIAS in name:
            return
        if kind == "c":
            checkpoint = decode_checkpoint(record.value)
            source = (name, partition)
            if checkpoint.next < self.next.get(source, checkpoint.next):
                self.wrong.append(
                    f"{source}: checkpoint went from {self.next[source]} back to {checkpoint.next}"
                )
            self.next[source] = checkpoint.next
            self.lost[source] = checkpoint.lost
        elif kind == "h":
            heartbeat = decode_heartbeat(record.value)
            for assigned in heartbeat.partitions:
                self.owners[assigned.topic, assigned.partition] = (heartbeat.worker, heartbeat.at)
                self.reports[assigned.topic, assigned.partition] = assigned

    def folded(self) -> int:
        """Source offsets below all checkpoints, summed up."""
        return sum(self.next.values())

    async def caught_up(self, *, seconds: float = 60.0) -> None:
        """Wait until every checkpoint is at the end of its source partition, as it is now."""
        assert not self._task.done(), self._task
        ends = await source_ends(self._settings)

        def there() -> bool:
            return all(self.next.get(source, 0) >= end for source, end in ends.items())

        behind = "checkpoints to reach the ends"
        try:
            await wait_until(there, behind, seconds=seconds)
        except AssertionError:
            missing = {s: (self.next.get(s), end) for s, end in ends.items() if self.next.get(s, 0) < end}
            raise AssertionError(f"waited {seconds:g} s for {behind}: (is at, end): {missing}") from None
        assert not self.wrong, self.wrong


async def source_ends(settings: Settings) -> dict[Source, int]:
    """The end of every raw partition, as a read_committed reader sees it."""
    consumer = AIOKafkaConsumer(
        *settings.raw_topics, bootstrap_servers=list(settings.kafka), isolation_level="read_committed"
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
    finally:
        await consumer.stop()
    return {(tp.topic, tp.partition): end for tp, end in ends.items()}


async def read_oracle(settings: Settings, scratch: Any) -> Oracle:
    """What has to come of what is in the raw topics now."""
    bootstrap = ",".join(settings.kafka)
    records = {topic: await read_all(bootstrap, topic) for topic in settings.raw_topics}
    return Oracle(
        records, scratch, pane_hours=settings.pane_hours, dedupe_seconds=settings.dedupe_seconds,
        max_event_bytes=settings.max_event_bytes,
    )  # fmt: skip


async def feed_reader(settings: Settings) -> ReaderState:
    """The state that a reader has after the whole feed."""
    records = defaultdict(list)
    for read in await read_all(",".join(settings.kafka), settings.topic("views.feed")):
        assert read.key is not None
        records[read.partition].append((read.key, read.value, read.timestamp_ms))
    reader = ReaderState(DECLARED, settings.minutes_kept, settings.pane_hours)
    for partition, items in records.items():
        reader.apply(partition, items, monotonic=0.0)
    return reader


def ask(reader: ReaderState, settings: Settings, view: str, params: Mapping[str, str]) -> dict[str, Any]:
    """A view's answer, without an api."""
    situation = Situation(
        wall_us=int(time.time() * 1e6), monotonic=0.0, topics=dict.fromkeys(settings.raw_topics, 1),
        feed_read=True, clock="wall", stale_seconds=settings.stale_seconds,
        session_seconds=settings.session_seconds,
    )  # fmt: skip
    declared = DECLARED[view]
    return answer_view(reader, declared, parse_view_query(declared, list(params.items())), situation)


def view_differences(oracle: Oracle, answers: Mapping[str, dict[str, Any]]) -> list[str]:
    """Hold answers (view → answer) against the oracle, over the windows that they say they are of."""
    found: list[str] = []
    for view, answer in answers.items():
        window: dict[str, int] = {}
        if answer["from"] is not None:
            window = {"from_us": micros(answer["from"]), "to_us": micros(answer["to"])}
        expected = oracle.rows(view, as_of_us=micros(answer["as_of"]), **window)
        found += differences(view, expected, by_dimensions(view, answer["rows"]))
    return found


def micros(text: str) -> int:
    """RFC 3339 → µs since the epoch."""
    parsed = parse_time(text)
    assert parsed is not None, text
    return parsed


def windows(view: str, newest_us: int) -> list[dict[str, str]]:
    """Parameters to ask a view with: all there is, the last hours, some minutes, up to an event's time."""
    if view in LATEST_VIEWS:
        return [{"as_of": rfc3339(newest_us)}, {"as_of": rfc3339(newest_us + 7_200_000_000)}]
    return [
        {"from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"},
        {"window": "2h", "as_of": rfc3339(newest_us)},
        {"window": "17m", "as_of": rfc3339(newest_us - 240_000_000)},
    ]


def rfc3339(at_us: int) -> str:
    """µs since the epoch → RFC 3339."""
    return at(at_us // 1000)


QUARANTINE_HEADERS = ["code", "reason", "field", "detail", "topic", "partition", "offset", "quarantined_at"]
"""Those of Sluice itself; its producer's own follow."""


async def quarantine_differences(settings: Settings, oracle: Oracle, *, hours: float = 1.0) -> list[str]:
    """Hold the quarantine, as a read_committed reader sees it, against the bad records of the raw topics;
    all of it is of the last hours."""
    quarantined = await read_all(",".join(settings.kafka), settings.topic("events.quarantine"))
    found: list[str] = []
    shown: dict[Source, list[tuple[Any, ...]]] = defaultdict(list)
    for read in quarantined:
        names = [name for name, _ in read.headers]
        if names[: len(QUARANTINE_HEADERS)] != QUARANTINE_HEADERS:
            found.append(f"quarantine {read.partition}@{read.offset}: headers are {names}")
            continue
        said = {name: (value or b"").decode() for name, value in read.headers[: len(QUARANTINE_HEADERS)]}
        own = read.headers[len(QUARANTINE_HEADERS) :]
        if int(said["partition"]) != read.partition:
            found.append(f"quarantine {read.partition}@{read.offset}: is of partition {said['partition']}")
        if (
            len(said["detail"].encode()) > 512
            or abs(micros(said["quarantined_at"]) / 1e6 - time.time()) > 3600 * hours
        ):
            found.append(f"quarantine {read.partition}@{read.offset}: {said}")
        shown[said["topic"], int(said["partition"])].append(
            (int(said["offset"]), said["code"], said["reason"], said["field"], read.key, read.value, own)
        )
    expected: dict[Source, list[tuple[Any, ...]]] = defaultdict(list)
    for topic, read, why in oracle.bad:
        own = tuple((f"src.{name}", value) for name, value in read.headers)
        expected[topic, read.partition].append((read.offset, *why, read.key, read.value, own))
    for source in expected.keys() | shown.keys():
        found += _sequence_differences(source, expected[source], shown[source])
    return found


def _sequence_differences(
    source: Source, expected: list[tuple[Any, ...]], shown: list[tuple[Any, ...]]
) -> list[str]:
    if expected == shown:
        return []
    offsets, seen = [item[0] for item in expected], [item[0] for item in shown]
    twice = sorted(offset for offset, count in Counter(seen).items() if count > 1)
    found = [
        f"quarantine of {source}: {len(shown)} records, not {len(expected)}",
        f"missing {sorted(set(offsets) - set(seen))[:20]}, too many {sorted(set(seen) - set(offsets))[:20]}",
        f"twice {twice[:20]}, in order: {seen == sorted(seen)}",
    ]
    by_offset = {item[0]: item for item in expected}
    wrong = [(item[:4], by_offset[item[0]][:4]) for item in shown if item != by_offset.get(item[0], item)]
    return found + [f"quarantine of {source}: shown {a}, expected {b}" for a, b in wrong[:10]]


async def exact(sluice: Sluice, api: Role | None = None) -> Oracle:
    """Assert that views and quarantine are what the oracle makes of the raw topics; answers the oracle."""
    settings = sluice.settings
    oracle = await read_oracle(settings, sluice.folder)
    reader = await feed_reader(settings)
    newest_us = oracle.newest_us() or 0
    if api is not None:
        await api_has_read(api, reader)
    found = await quarantine_differences(settings, oracle)
    for number in range(3):
        answers: dict[str, Any] = {}
        for view in VIEWS:
            choices = windows(view, newest_us)
            params = choices[number % len(choices)]
            answers[view] = ask(reader, settings, view, params)
            if api is not None:
                response = await api.get(f"/v1/views/{view}", **params)
                assert response.status_code == 200, response.text
                shown = response.json()
                if shown["rows"] != answers[view]["rows"]:
                    found.append(f"{view} {params}: the api's rows are not the feed's")
                answers[view] = shown
        found += view_differences(oracle, answers)
    assert not found, "\n".join(found[:40])
    return oracle


async def api_has_read(api: Role, reader: ReaderState, *, seconds: float = 30.0) -> None:
    """Wait until the api's answers rest on the same checkpoints as this reader, and are complete."""
    wanted = {source: checkpoint.next for source, checkpoint in reader.checkpoints.items()}
    shown: dict[str, Any] = {}

    async def there() -> bool:
        try:
            response = await api.get("/v1/views/kpi_gmv")
        except httpx.TransportError:
            return False
        shown.update(response.json())
        found = {(p["topic"], p["partition"]): p["checkpoint_offset"] for p in shown.get("partitions", ())}
        return bool(shown.get("complete")) and all(found.get(source) == at for source, at in wanted.items())

    try:
        await wait_until(there, "the api", seconds=seconds)
    except AssertionError:
        shown.pop("rows", None)
        raise AssertionError(f"after {seconds:g} s the api is not at {wanted}, complete: {shown}") from None
