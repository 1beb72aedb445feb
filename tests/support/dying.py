"""`sluice` gives itself a signal at a moment: `python -m tests.support.dying SIGNAL MOMENT NTH ARGUMENTS`.

MOMENT: `start` (just before a producer takes over), `begin` (a transaction has begun), `send` (a batch is in
Kafka), `commit` (just before Kafka is told), `committed` (just after).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from aiokafka import AIOKafkaProducer

from streams.cli.main import main


def die_at(moment: str, nth: int, number: signal.Signals) -> None:
    begin, send, commit, start = (
        AIOKafkaProducer.begin_transaction,
        AIOKafkaProducer.send_batch,
        AIOKafkaProducer.commit_transaction,
        AIOKafkaProducer.start,
    )
    left = nth

    def reached(here: str) -> None:
        nonlocal left
        left -= here == moment
        if here == moment and left == 0:
            os.kill(os.getpid(), number)

    async def started(self: AIOKafkaProducer) -> None:
        reached("start")
        await start(self)

    async def begin_transaction(self: AIOKafkaProducer) -> None:
        await begin(self)
        reached("begin")

    async def send_batch(self: AIOKafkaProducer, *arguments: Any, **more: Any) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = await send(self, *arguments, **more)
        await asyncio.wait([answer])
        reached("send")
        return answer

    async def commit_transaction(self: AIOKafkaProducer) -> None:
        reached("commit")
        await commit(self)
        reached("committed")

    AIOKafkaProducer.start = started
    AIOKafkaProducer.begin_transaction = begin_transaction
    AIOKafkaProducer.send_batch = send_batch
    AIOKafkaProducer.commit_transaction = commit_transaction


if __name__ == "__main__":
    die_at(sys.argv[2], int(sys.argv[3]), signal.Signals[sys.argv[1]])
    main(sys.argv[4:], prog_name="sluice")
