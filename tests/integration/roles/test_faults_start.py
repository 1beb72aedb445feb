"""Wrong settings and wrong topics: said at start and by `sluice doctor`, with what mends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.support.kafka import create_topics
from tests.support.processes import Sluice


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("SESSION_SECONDS", "5", "a whole number from 6 to 300"),
        ("RAW_TOPICS", "a,a", "topic names"),
        ("KAFKA", "localhost", "host:port"),
        ("PANE_HOURS", "0", "a whole number from 1"),
        ("CHECKPOINT_MS", "fast", "a whole number from 10"),
        ("KAFKA_SECURITY", "TLS", "PLAINTEXT"),
        ("PREFIX", "a b", "up to 64"),
    ],
)
@pytest.mark.parametrize("command", [("worker", "views"), ("api",)])
def test_a_wrong_setting_is_exit_2_and_says_which(
    tmp_path: Path, command: tuple[str, ...], name: str, value: str, allowed: str
) -> None:
    with Sluice(tmp_path, "127.0.0.1:1", "") as sluice:
        done = sluice.run(*command, **{name.lower(): value})
    assert done.returncode == 2, done.stderr
    assert f"SLUICE_{name}" in done.stderr
    assert repr(value) in done.stderr
    assert allowed in done.stderr
    assert len(done.stderr.splitlines()) == 1, "one line, no traceback"


async def test_topics_that_are_not_as_they_must_be(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    """Both policies wrong, the feed too small: the worker ends at once, doctor says the same."""
    bootstrap = kafka.bootstrap
    await create_topics(bootstrap, f"{prefix}events.raw", partitions=3, cleanup_policy="compact")
    await create_topics(bootstrap, f"{prefix}views.feed", partitions=2, cleanup_policy="delete")
    await create_topics(bootstrap, f"{prefix}events.quarantine", partitions=3, max_message_bytes=1_114_124)
    await create_topics(bootstrap, f"{prefix}ops.gates", cleanup_policy="compact")
    await create_topics(bootstrap, f"{prefix}ops.alarms")
    wanted = [
        f"{prefix}events.raw has cleanup.policy=compact, not delete",
        f"{prefix}views.feed has cleanup.policy=delete, not compact",
        f"{prefix}views.feed has 2 partitions, but a raw topic has 3",
    ]
    with Sluice(tmp_path, bootstrap, prefix) as sluice:
        worker = sluice.worker(http_prt=1)
        assert await worker.end(30) == 1, worker.tail()
        assert "SLUICE_HTTP_PRT is no setting: did you mean SLUICE_HTTP_PORT?" in worker.output()
        doctor = sluice.run("doctor")
        assert doctor.returncode == 1
        said = doctor.stdout.replace(": has", " has")
        for problem in wanted:
            assert problem in worker.output(), worker.tail()
            assert problem in said, doctor.stdout
        assert "Traceback" not in worker.output()
        refused = sluice.run("topics", "create")
        assert refused.returncode == 1
        assert "cleanup.policy" in refused.stdout + refused.stderr


async def test_a_feed_with_too_few_partitions_is_grown(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        await create_topics(kafka.bootstrap, f"{prefix}more", partitions=3)
        both = f"{prefix}events.raw,{prefix}more"
        worker = sluice.worker(raw_topics=both)
        await worker.says("waiting for partition 2 of .*views.feed and .*events.quarantine, for .*more-2")
        assert (await worker.get("/readyz")).status_code == 503
        assert sluice.run("topics", "create", raw_topics=both).returncode == 0
        await worker.ready()
