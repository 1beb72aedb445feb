"""Records of `views.feed` and `ops.gates` that Sluice did not write, or that cannot be read.

A record whose key is not Sluice's is skipped and counted, wherever the topics are read. A source partition's
own state is different: a damaged record of it that has not been replaced since ends its recovery, because all
that followed would be wrong.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition

from streams import metrics
from tables.codec import are_entities
from tables.keys import FeedFormatError, source_topic
from tables.record_check import NOT_OURS, Fault, Problem, definition, is_feed_key, shown, value_problem
from tables.spec.windowed import Windowed
from tables.views import VIEWS

log = logging.getLogger(__name__)

TELL_SECONDS = 60.0
MOST_FAMILIES = 64
"""So many views' entities are known again by the beginning of their keys; one view has one, or few."""
_COLON = ord(":")

SUMS = {
    f"{name}@{view.definition_hash}".encode(): len(view.kept) if isinstance(view, Windowed) else None
    for name, view in VIEWS.items()
}
"""`view@definition_hash` of the views that this release computes → how much a group of theirs keeps."""

_ANEW = (
    "stop all workers, delete the topic, run `sluice topics create` and start them: the views are then"
    " computed again from the raw topics"
)
MENDS = {
    Fault.ALIEN: "it is passed over. Find out who writes there and let nobody but Sluice; a tombstone (its"
    " key and no value, on its partition) lets Kafka forget it",
    Fault.DAMAGED: "the worker that holds this state writes the record again when it next changes. If none"
    f" does, and a worker refuses to start: {_ANEW}",
    Fault.VERSION: f"another release wrote it: run that one. Or, to go on with this one: {_ANEW}",
}
HEARTBEAT_MENDS = {
    Fault.DAMAGED: "nothing: its worker writes another one every second",
    Fault.VERSION: "run the release that wrote it; if none of its workers runs any more, write a tombstone"
    " (its key and no value, on its partition)",
}


class _Teller:
    """Counts the skipped records; one log line a minute for each topic, the first at once."""

    def __init__(self) -> None:
        self._told_at: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def __call__(self, tp: TopicPartition, offset: int, key: bytes | None, problem: Problem) -> None:
        metrics.ALIEN_RECORDS.labels(tp.topic).inc()
        now = time.monotonic()
        self._untold[tp.topic] = self._untold.get(tp.topic, 0) + 1
        told_at = self._told_at.get(tp.topic)
        if told_at is not None and now - told_at < TELL_SECONDS:
            return
        self._told_at[tp.topic] = now
        count = self._untold.pop(tp.topic)
        more = f", and {count - 1:,} others since the last such line" if count > 1 else ""
        log.warning(
            "passed over a record of %s, partition %d, offset %d, key %s: %s%s; `sluice doctor` lists them",
            *(tp.topic, tp.partition, offset, shown(key), problem.why, more),
        )


tell = _Teller()


def problem_of(key: bytes | None, value: bytes | None) -> Problem | None:
    """What is wrong with a record of the feed. A record of a view that this release does not compute may
    contain anything: it is not read.
    """
    if key is None or not is_feed_key(key):
        return NOT_OURS
    return None if value is None else _value_problem(key, value)


def _value_problem(key: bytes, value: bytes) -> Problem | None:
    name = definition(key)
    if name is None:
        return value_problem(key, value)
    return value_problem(key, value, SUMS[name]) if name in SUMS else None


def remedy_of(key: bytes | None, problem: Problem) -> str:
    """What to do about a record of the feed."""
    if key is not None and key[:1] == b"h" and problem.fault is not Fault.ALIEN:
        return HEARTBEAT_MENDS[problem.fault]
    return MENDS[problem.fault]


def located(tp: TopicPartition, offset: int, key: bytes | None, problem: Problem) -> FeedFormatError:
    """The error for a refused record: which one, why, and what to do."""
    where = f"{tp.topic}, partition {tp.partition}, offset {offset}"
    return FeedFormatError(f"{where}: {problem.why}. What to do: {remedy_of(key, problem)}")


Restore = Callable[[Mapping[bytes, bytes | None]], None]
"""Takes records of a source topic's state: keys and values."""


class OwnState:
    """Restores a source topic's state from one partition of the feed; the last record of a key counts."""

    def __init__(self, tp: TopicPartition, topic: str, restore: Restore) -> None:
        self._tp = tp
        self._topic = topic.encode()
        self._restore = restore
        self._bad: dict[bytes, tuple[int, Problem]] = {}
        self._families: tuple[bytes, ...] = ()
        self._read: tuple[bytes, ...] = ()  # those of views that this release computes

    def take_all(self, records: Sequence[Any]) -> None:
        """Records in order; of those with one key only the last is looked at and restored.

        Panes and checkpoints are written again and again: most of their values are never decoded.
        """
        newest = dict(zip([record.key for record in records], records, strict=True))
        values = self._own(records, newest)
        for key in self._to_be_checked(values):
            value = values[key]
            problem = None if value is None else _value_problem(key, value)
            if problem is not None:
                self._bad[key] = newest[key].offset, problem
                del values[key]
        if self._bad:
            for key in values:
                self._bad.pop(key, None)
        self._restore(values)

    def _own(self, records: Sequence[Any], newest: Mapping[bytes | None, Any]) -> dict[bytes, bytes | None]:
        """The newest values of this topic's state; nearly all are of entities of a known family."""
        families = self._families
        # The id, which an entity's key ends with, is any text that is not empty.
        own = {
            key: record.value
            for key, record in newest.items()
            if key is not None and key.startswith(families) and key.isascii() and key[-1] != _COLON
        }
        if len(own) < len(newest):
            for record in [record for record in records if record.key not in own]:
                if record.key in own or self._is_own(record.offset, record.key):
                    own[record.key] = record.value
        return own

    def _to_be_checked(self, values: Mapping[bytes, bytes | None]) -> list[bytes]:
        """The keys whose values are to be looked at one by one; no entity, if all of these are good."""
        others = [key for key in values if not key.startswith(self._families)]
        read = [value for key, value in values.items() if value is not None and key.startswith(self._read)]
        return others if are_entities(read) else [*values]

    def _is_own(self, offset: int, key: bytes | None) -> bool:
        """Whether a record is of this topic's state; tells of one that is not Sluice's."""
        if key is None or not is_feed_key(key):
            tell(self._tp, offset, key, NOT_OURS)
            return False
        if source_topic(key) != self._topic:
            return False
        if key[:1] == b"e" and len(self._families) < MOST_FAMILIES:
            family = b":".join(key.split(b":", 3)[:3]) + b":"
            self._families = (*{*self._families, family},)
            if definition(key) in SUMS:
                self._read = (*{*self._read, family},)
        return True

    def end(self) -> None:
        """Everything has been read. Raises `FeedFormatError` if a record that counts cannot be read."""
        for key, (offset, problem) in self._bad.items():
            raise located(self._tp, offset, key, problem)
