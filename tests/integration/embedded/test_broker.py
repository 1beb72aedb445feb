"""The embedded Kafka: `EmbeddedKafka` and `sluice bus`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from streams.embedded.broker import EmbeddedKafka, EmbeddedKafkaError
from streams.embedded.config import is_free
from streams.embedded.probe import probe_cluster_id
from tests.support.kafka import Raw, create_topics, produce, read_all
from tests.support.programs import ignoring_interrupts, started

BUS = [sys.executable, "-c", "from streams.cli.bus import bus; bus()"]


def run_bus(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BUS, *arguments], capture_output=True, text=True, check=False, timeout=90)


def has_ended(folder: Path, port: int) -> bool:
    """The process holds neither its lock nor its port."""
    return EmbeddedKafka(folder).pid() is None and is_free(port)


async def test_a_record_comes_back_as_it_was_sent(kafka: EmbeddedKafka, prefix: str) -> None:
    topic = f"{prefix}echo"
    await create_topics(kafka.bootstrap, topic, partitions=2)
    sent = [Raw(b"one", b"k", 1_000), Raw(None, b"gone", 2_000), Raw(b"two", None, 3_000, 1, (("h", b"v"),))]
    assert await produce(kafka.bootstrap, topic, sent) == [0, 1, 0]

    read = await read_all(kafka.bootstrap, topic)

    assert [Raw(r.value, r.key, r.timestamp_ms, r.partition, r.headers) for r in read] == sent


async def test_transactions_work_and_an_open_one_hides_its_records(kafka: EmbeddedKafka, prefix: str) -> None:
    topic = f"{prefix}transactions"
    await create_topics(kafka.bootstrap, topic)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=f"{prefix}id")
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed", partition=0)
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"open", partition=0)
        assert [record.value for record in await read_all(kafka.bootstrap, topic)] == [b"committed"]
        await producer.abort_transaction()
    finally:
        await producer.stop()
    assert [record.value for record in await read_all(kafka.bootstrap, topic)] == [b"committed"]


async def test_records_survive_a_kill_and_a_restart_on_the_same_port(own_kafka: EmbeddedKafka) -> None:
    bootstrap = own_kafka.bootstrap
    await create_topics(bootstrap, "kept", cleanup_policy="compact")
    await produce(bootstrap, "kept", [Raw(b"1", b"key")])

    own_kafka.kill()
    assert own_kafka.pid() is None
    own_kafka.start()
    await produce(bootstrap, "kept", [Raw(b"2", b"key")])
    own_kafka.stop()
    own_kafka.start()

    assert own_kafka.bootstrap == bootstrap
    assert [record.value for record in await read_all(bootstrap, "kept")] == [b"1", b"2"]


def test_up_is_idempotent_and_down_leaves_no_process(tmp_path: Path) -> None:
    folder = str(tmp_path / "bus")
    try:
        first = json.loads(run_bus("up", "--dir", folder, "--port", "0", "--json").stdout)
        again = json.loads(run_bus("up", "--dir", folder, "--json").stdout)
        assert first["started"] is True
        assert again == {**first, "started": False}
        assert probe_cluster_id("127.0.0.1", first["port"])

        other = run_bus("up", "--dir", folder, "--port", "19999")
        assert other.returncode == 1
        assert f"runs on port {first['port']}" in other.stderr

        wrong = run_bus("down", "--dir", folder, "--port", "19999")
        assert (wrong.returncode, wrong.stdout) == (1, "")
        assert f"runs on port {first['port']}, not on 19999: it was not stopped" in wrong.stderr
        assert probe_cluster_id("127.0.0.1", first["port"])
    finally:
        down = json.loads(run_bus("down", "--dir", folder, "--port", str(first["port"]), "--json").stdout)
    assert down["stopped"] is True
    assert has_ended(tmp_path / "bus", first["port"])
    assert not (tmp_path / "bus" / "kafka.pid").exists()
    for more in ([], ["--port", "0"], ["--port", "19999"]):
        assert json.loads(run_bus("down", "--dir", folder, *more, "--json").stdout)["stopped"] is False


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_foreground_stays_until_it_is_told_to_end(
    tmp_path: Path, number: signal.Signals, background: bool
) -> None:
    arguments = ["up", "--dir", str(tmp_path), "--port", "0", "--foreground", "--json"]
    ignoring = ignoring_interrupts if background else None
    with started([*BUS, *arguments], preexec_fn=ignoring, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        report = json.loads(program.stdout.readline())
        assert program.poll() is None
        program.send_signal(number)
    assert program.returncode == 0
    assert has_ended(tmp_path, report["port"])


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedKafkaError, match=f"port {port} is in use"):
            EmbeddedKafka(tmp_path, port).start()
    assert EmbeddedKafka(tmp_path).pid() is None


def test_something_that_listens_is_not_yet_a_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert probe_cluster_id("127.0.0.1", silent.getsockname()[1], timeout_seconds=0.1) is None


def test_missing_jars_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedKafkaError, match="run `make setup`"):
        EmbeddedKafka(tmp_path, jars=tmp_path / "none").start()


def test_missing_java_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedKafkaError, match="install Java 17"):
        EmbeddedKafka(tmp_path).start()


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path)
    broker.start()
    broker.stop()
    meta = tmp_path / "data" / "meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=7"))
    with pytest.raises(EmbeddedKafkaError, match=r"Kafka ended while it started: .*node id 7.*kafka\.log"):
        broker.start()
    assert broker.pid() is None


def test_a_stale_pid_file_is_not_a_running_broker(tmp_path: Path) -> None:
    (tmp_path / "kafka.pid").write_text(str(os.getpid()))
    assert EmbeddedKafka(tmp_path).pid() is None
    assert EmbeddedKafka(tmp_path).stop() is False
