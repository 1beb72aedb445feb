"""Events in files, judged as the pipeline would judge them: value by value, in bounded memory."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.validation.reasons import Quarantined
from schemas.validation.validator import Validator
from streams.sources.record import Source

AT_ONCE = 256


class BadValue(NamedTuple):
    """A value that would be quarantined: the file, the line that it begins in (from 1 on), and why."""

    file: str
    line: int
    verdict: Quarantined


@dataclass
class Judged:
    """How many values were judged, and of those that are bad how many by (reason, event, field)."""

    values: int = 0
    bad: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def judge(source: Source, validator: Validator, timestamp_ms: int, judged: Judged) -> Iterator[BadValue]:
    """The bad values of a source, in their order; `timestamp_ms` stands for Kafka's timestamp of all.

    Counts into `judged` as it goes. Raises `SourceError` where the file cannot be read.
    """
    records = iter(source.records())
    with contextlib.ExitStack() as closing:
        if hasattr(records, "close"):
            closing.callback(records.close)
        while batch := list(itertools.islice(records, AT_ONCE)):
            values = [record.value for record in batch]
            decoded = validator.decode_batch(values, [timestamp_ms] * len(batch), {})
            judged.values += len(batch)
            for index, verdict in decoded.bad:
                judged.bad[verdict.reason.value, verdict.event, verdict.field] += 1
                yield BadValue(source.name, batch[index].line, verdict)
