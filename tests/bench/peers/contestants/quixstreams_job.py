"""The job in Quix Streams: one application, RocksDB state with a changelog topic, at least once.

Set for throughput: all records of a partition share one state prefix, so that money is added up where it is
read and nothing has to be sent through a repartition topic; one function a record judges and adds; a
checkpoint a second; fetches of up to 4 MiB a partition, producers that linger and compress.
"""

from __future__ import annotations

from typing import Any

from quixstreams import Application
from quixstreams.models import Deserializer

from tests.bench.peers.contestants.judging import judge_of, key_of
from tests.bench.peers.contestants.protocol import Task, begun, done, task

FETCH = {"fetch.message.max.bytes": 4 << 20, "queued.max.messages.kbytes": 64 << 10}
SEND = {"linger.ms": 50, "compression.type": "lz4"}


class OneState(Deserializer):  # type: ignore[misc]
    """Gives all records one key, by which state is found; `own` is the last record's own key."""

    own: bytes | None = None

    def __call__(self, value: bytes | None, ctx: Any) -> bytes:  # noqa: ARG002
        self.own = value
        return b"all"


def application(asked: Task) -> Application:
    """The application, which stops itself when it has processed all records."""
    judge, keys, left = judge_of(asked.schemas), OneState(), asked.events
    app = Application(
        broker_address=asked.server,
        consumer_group=asked.name,
        auto_offset_reset="earliest",
        commit_interval=1.0,
        state_dir=asked.folder / "state",
        loglevel="WARNING",
        consumer_extra_config=FETCH,
        producer_extra_config=SEND,
    )
    raw = app.topic(asked.topic, key_deserializer=keys, value_deserializer="bytes")
    quarantine = app.topic(asked.quarantine, key_serializer="bytes", value_serializer="bytes")

    def process(value: bytes | None, key: bytes, timestamp: int, headers: Any, state: Any) -> list[Any]:
        nonlocal left
        if left == asked.events:
            begun()
        left -= 1
        if left == 0:
            app.stop()
        verdict = judge(value, timestamp)
        if isinstance(verdict, tuple):
            group, amount = verdict
            total = state.get(name := key_of(group))
            state.set(name, [1, amount] if total is None else [total[0] + 1, total[1] + amount])
        elif verdict is not None:
            return [(value, verdict)]
        return []

    def reason(bad: tuple[Any, str], key: bytes, timestamp: int, headers: Any) -> list[tuple[str, bytes]]:
        return [*(headers or ()), ("reason", bad[1].encode())]

    frame = app.dataframe(raw).apply(process, stateful=True, metadata=True, expand=True)
    frame = frame.set_headers(reason).apply(lambda bad: bad[0])
    frame.to_topic(quarantine, key=lambda _: keys.own)
    return app


def main() -> None:
    """Run the application until all is committed."""
    asked = task()
    application(asked).run()
    done({}, asked)


if __name__ == "__main__":
    main()
