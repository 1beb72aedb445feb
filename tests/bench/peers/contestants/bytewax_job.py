"""The job in Bytewax: one worker, its Kafka connector, keyed state with snapshots in a recovery store.

Set for throughput: 10,000 records a batch, fetches of up to 4 MiB a partition, money added up within a batch
before it is keyed, so that keyed state is touched once a batch and group; an epoch, with its snapshot, a
second. It reads each partition to the end that it has at the start, and ends with its last epoch closed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import bytewax.operators as op
from bytewax._bytewax import cli_main
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir

from tests.bench.peers.contestants.judging import Group, judge_of, key_of
from tests.bench.peers.contestants.protocol import Task, begun, done, task

Total = tuple[int, int]
FETCH = {
    "fetch.message.max.bytes": str(4 << 20),
    "queued.max.messages.kbytes": str(64 << 10),
    "queued.min.messages": "100000",
}
SEND = {"linger.ms": "5", "compression.type": "lz4"}


def flow_of(asked: Task, totals: dict[str, Total]) -> Dataflow:
    """The dataflow; `totals` shows what is in its state."""
    judge = judge_of(asked.schemas)

    def judged(batch: list[KafkaSourceMessage[Any, Any]]) -> Iterable[Any]:
        money: dict[Group, list[int]] = {}
        out: list[Any] = []
        for message in batch:
            verdict = judge(message.value, message.timestamp[1])
            if isinstance(verdict, tuple):
                group, amount = verdict
                total = money.get(group)
                if total is None:
                    money[group] = [1, amount]
                else:
                    total[0] += 1
                    total[1] += amount
            elif verdict is not None:
                headers = [*message.headers, ("reason", verdict.encode())]
                out.append(KafkaSinkMessage(message.key, message.value, headers=headers))
        out.extend((key_of(group), (total[0], total[1])) for group, total in money.items())
        return out

    def add(state: Total | None, some: Total) -> tuple[Total, Total]:
        total = some if state is None else (state[0] + some[0], state[1] + some[1])
        return total, total

    def show(changed: list[tuple[str, Total]]) -> Iterable[Any]:
        totals.update(changed)
        return ()

    flow = Dataflow("money")
    source = KafkaSource([asked.server], [asked.topic], tail=False, batch_size=10_000, add_config=FETCH)
    judged_items = op.flat_map_batch("judge", op.input("read", flow, source), judged)
    sorted_out = op.branch("sort", judged_items, lambda item: item.__class__ is KafkaSinkMessage)
    op.output("quarantine", sorted_out.trues, KafkaSink([asked.server], asked.quarantine, SEND))
    op.flat_map_batch("show", op.stateful_map("sum", sorted_out.falses, add), show)
    return flow


def main() -> None:
    """Run the dataflow to the end of the topic."""
    asked = task()
    os.chdir(asked.folder)  # it may describe the dataflow in a file there
    store = asked.folder / "recovery"
    store.mkdir()
    init_db_dir(store, 1)
    totals: dict[str, Total] = {}
    flow = flow_of(asked, totals)
    begun()
    cli_main(flow, epoch_interval=timedelta(seconds=1), recovery_config=RecoveryConfig(str(store)))
    done({"sums": totals}, asked)


if __name__ == "__main__":
    main()
