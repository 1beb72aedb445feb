"""The job in stock Faust: an agent by event, a table with its changelog topic, Faust's own settings.

A key of the table names its partition, too: two partitions of one process share the table. Faust has no
checkpoint to wait for: at the end its producer is flushed and its offsets are committed.
"""

from __future__ import annotations

import sys
from typing import Any

import faust

from tests.bench.peers.contestants.judging import judge_of, key_of
from tests.bench.peers.contestants.protocol import Task, begun, task


def app_of(asked: Task) -> faust.App:
    """The Faust app."""
    app = faust.App(
        asked.name,
        broker=f"kafka://{asked.server}",
        topic_partitions=asked.partitions,
        datadir=str(asked.folder / "data"),
        web_enabled=False,
        broker_commit_interval=1.0,
    )
    raw = app.topic(
        asked.topic, key_type=bytes, key_serializer="raw", value_type=bytes, value_serializer="raw"
    )
    quarantine = app.topic(
        asked.quarantine, key_type=bytes, key_serializer="raw", value_type=bytes, value_serializer="raw"
    )
    totals = app.Table("sums", default=lambda: [0, 0], partitions=asked.partitions)
    judge = judge_of(asked.schemas)

    @app.agent(raw)
    async def add(stream: Any) -> None:
        left = asked.events
        async for event in stream.events():
            if left == asked.events:
                begun()
            message = event.message
            verdict = judge(event.value, int(message.timestamp * 1000))
            if isinstance(verdict, tuple):
                group, amount = verdict
                key = f"{message.partition}|{key_of(group)}"
                count, total = totals[key]
                totals[key] = [count + 1, total + amount]
            elif verdict is not None:
                headers = [*(message.headers or ()), ("reason", verdict.encode())]
                await quarantine.send(key=event.key, value=event.value, headers=headers)
            left -= 1
            if left == 0:
                await app.producer.flush()
                await app.consumer.commit()
                print("done", flush=True)

    return app


if __name__ == "__main__":
    asked = task()
    del sys.argv[1:]
    faust.Worker(app_of(asked), loglevel="WARN").execute_from_commandline()
