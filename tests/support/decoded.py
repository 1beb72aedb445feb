"""A batch as the validator gives it to a fold, made from events of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.validation.decoded import Decoded
from schemas.validation.reasons import Quarantined, Reason, quarantined
from tables.fold.counts import FoldCounts
from tables.fold.state import PartitionState
from tests.oracle.tables import TOLD_BAD, Made, tells


def fold_made(state: PartitionState, made: Sequence[Made]) -> FoldCounts:
    """Have a state fold these events as its next records."""
    stamps_ms = [one.kafka_ms for one in made]
    batch = decoded(state, made)
    first = state.next_offset
    return state.fold(
        batch, stamps_ms, first_offset=first, next_offset=first + len(made), now_ms=max(stamps_ms, default=0)
    )


_UNTOLD = quarantined(Reason.NOT_JSON, "")


def _verdict(bad: Made) -> Quarantined:
    if not tells(bad):
        return _UNTOLD
    reason, event, source, city = TOLD_BAD
    return quarantined(Reason(reason), "")._replace(event=event, source=source, city=city)


def decoded(state: PartitionState, made: Sequence[Made]) -> Decoded:
    """What `state` is to fold of these records; of a bad one as much is told as `tells` says."""
    batch = decoded_for(state, [one.event for one in made], [one.occurred_us for one in made])
    return batch._replace(bad=[(place, _verdict(made[place])) for place, _ in batch.bad])


def decoded_for(state: PartitionState, events: Sequence[Any | None], times_us: Sequence[int]) -> Decoded:
    """What `state` is to fold; None among the events is a bad record of which nothing is told."""
    readers = [None if event is None else state.readers.get(event.__class__) for event in events]
    return Decoded(
        kinds=[None if event is None else event.__class__ for event in events],
        kept=[read and read(event) for read, event in zip(readers, events, strict=True)],
        ids=[b"" if event is None else event.event_id.encode() for event in events],
        cities=[None if event is None else event.city for event in events],
        times=np.array(times_us, np.int64),
        texts=[b"{}"] * len(events),
        bad=[(place, _UNTOLD) for place, event in enumerate(events) if event is None],
        sources=[getattr(event, "source", "") for event in events],
        adapted={},
    )
