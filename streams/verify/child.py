"""`python -m streams.verify.child`: explains one answer, in a process of its own, so that the api goes on.

It reads a `Question` as JSON from standard input, and writes a `Reply` to standard output. It ends itself
when its time is over, whoever started it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from agents.bronze.files import CorruptFileError
from agents.bronze.store import StoreError
from streams import logs
from streams.chosen_views import chosen_views
from streams.extensions import loading
from streams.kafka.availability import reason_of
from streams.kafka.message_formats import UnreadableBatchError
from streams.kafka.producer import RefusedError
from streams.settings import Settings
from streams.store.urls import bronze_store, former_stores
from streams.verify.answer import Answer, UnfitAnswerError
from streams.verify.bronze_source import BronzeSource
from streams.verify.explain import explained
from streams.verify.kafka_tail import KafkaTail
from streams.verify.proof import proving
from streams.verify.question import Question, Reply
from streams.verify.records import Records, RecordsError
from streams.verify.run import BadReader, bench_of
from streams.verify.scratch import OF_EXPLANATIONS, in_use, remove_left
from streams.verify.wish import Wish

LATE_SECONDS = 5
"""Who asks gives up first, and says so."""
NICENESS = 5


def main() -> None:
    """Answer the question on standard input."""
    loading.load()
    settings = Settings.load()
    logs.configure(settings)
    signal.alarm(settings.explain_seconds + LATE_SECONDS)
    os.nice(NICENESS)
    with _own_folder():
        _answer(settings)


def _answer(settings: Settings) -> None:
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    reply = asyncio.run(answered(settings, question))
    sys.stdout.buffer.write(msgspec.json.encode(reply))


@contextmanager
def _own_folder() -> Iterator[None]:
    """The folder that the api has made for this process is in use; others may be left of former ones."""
    folder = Path(tempfile.gettempdir())
    if not folder.name.startswith(OF_EXPLANATIONS):
        yield
        return
    with in_use(folder):
        remove_left(folder.parent)
        yield


async def answered(settings: Settings, question: Question) -> Reply:
    """The reply to a question."""
    try:
        return Reply(explained=await _explained(settings, question))
    except (UnfitAnswerError, RecordsError) as error:
        return Reply(error=str(error))
    except (RefusedError, UnreadableBatchError) as error:
        return Reply(error=f"what Kafka has cannot be read: {error}")
    except (StoreError, CorruptFileError) as error:
        return Reply(error=f"Bronze cannot be read: {error} (SLUICE_BRONZE_URL)")
    except TimeoutError:
        half = settings.explain_seconds / 2
        return Reply(error=f"its records take longer than {half:g} s (half of SLUICE_EXPLAIN_SECONDS)")
    except (KafkaError, OSError) as error:
        why = await reason_of(settings, error)
        return Reply(error=f"what is not in Bronze yet cannot be read from Kafka: {why}")


async def _explained(settings: Settings, question: Question) -> dict[str, Any]:
    view = chosen_views(settings)[question.view]
    answer = Answer.of(view, question.said, filters=question.filters, sums_others=question.sums_others)
    bad, bench = BadReader(settings), bench_of(settings)
    bronze = BronzeSource(bronze_store(settings), answer, bad.validator, former_stores(settings))
    reached = await bronze.look()
    parts = {
        TopicPartition(one.topic, one.partition): (
            max(one.first, reached[one.topic, one.partition]),
            one.next,
        )
        for one in answer.spans
    }
    tail = KafkaTail(settings, parts, bad.validator)

    async def load(records: Records, wish: Wish) -> list[str]:
        return [*await bronze.load(records, wish, lambda _: None), *await tail.load(records, wish)]

    async with proving(answer, bench, load, settings.explain_seconds / 2, question.cities) as (
        verdict,
        records,
    ):
        found = await explained(records, verdict, answer, bench.limits)
    told = answer.told()
    for one in told["partitions"]:
        place = one["topic"], one["partition"]
        one["bronze_offset"] = reached[place]
        one["kafka_records"] = tail.read[TopicPartition(*place)]
    return {"view": view.name, "kind": view.kind, **told, "rows": question.said["rows"], **found}


if __name__ == "__main__":
    main()
