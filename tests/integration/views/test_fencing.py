"""Who takes a source partition over shuts its former owner out: nothing of his is written any more."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError

from agents.quarantine.record import Message
from streams.embedded.broker import EmbeddedKafka
from streams.feed.writer import FeedWriter
from streams.kafka import topics
from tests.oracle.load import Load, Mix
from tests.support.feed import FeedWatcher, exact
from tests.support.kafka import read_all, wait_until
from tests.support.processes import Sluice
from tests.support.sending import produce_all


async def test_a_former_owner_can_write_nothing(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        settings = sluice.settings
        await topics.create(settings)
        former = FeedWriter(settings, settings.raw_topics[0], 0)
        newer = FeedWriter(settings, settings.raw_topics[0], 0)
        await former.open()
        await former.commit([(b"k", b"1")], [Message(None, None, [("offset", b"0")])])
        await newer.open()
        with pytest.raises(KafkaError):
            await former.commit([(b"k", b"2")], [Message(b"", b"x", [("offset", b"1")])])
        await newer.commit([(b"k", b"3")], [])
        await former.close()
        await newer.close()
        feed = await read_all(kafka.bootstrap, settings.topic("views.feed"))
        quarantine = await read_all(kafka.bootstrap, settings.topic("events.quarantine"))
    assert [read.value for read in feed] == [b"1", b"3"]
    assert [read.headers for read in quarantine] == [(("offset", b"0"),)]


async def test_a_worker_that_wakes_up_in_the_middle_of_its_work_writes_nothing_stale(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    """It sleeps with records folded and not yet written (its interval is long), while another takes over."""
    load = Load(6, int(time.time() * 1000) - 3_600_000, Mix(partitions=1, milliseconds=100))
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        raw_topic = sluice.raw_topic
        async with FeedWatcher(sluice.settings) as feed:
            sleeper = sluice.worker("sleeper", checkpoint_ms=4_000)
            await sleeper.ready()
            await produce_all(kafka.bootstrap, raw_topic, load.take(100))
            await feed.caught_up()
            await produce_all(kafka.bootstrap, raw_topic, load.take(500))

            def holds_what_is_unwritten() -> bool:
                # It reports how old the oldest such record is: by the load's clock, which is an hour back.
                oldest_ms = feed.reports[raw_topic, 0].oldest_unread_ms
                return oldest_ms is not None and oldest_ms < (time.time() - 1_800) * 1000

            await wait_until(holds_what_is_unwritten, "the sleeper to have folded something", seconds=5)
            sleeper.signal(signal.SIGSTOP)
            assert feed.folded() == 100
            other = sluice.worker("other")
            await wait_until(lambda: feed.folded() == 600, "the other to have folded all", seconds=40)
            sleeper.signal(signal.SIGCONT)
            await produce_all(kafka.bootstrap, raw_topic, load.take(500))
            await feed.caught_up()
            other.kill()
            await produce_all(kafka.bootstrap, raw_topic, load.take(500))
            await feed.caught_up()
            await exact(sluice)
            assert sleeper.running, sleeper.tail()
