"""A batch as the validator gives it to a fold, made from events of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.validation.decoded import Decoded
from schemas.validation.reasons import Reason, quarantined
from tables.fold.state import PartitionState

_BAD = quarantined(Reason.NOT_JSON, "")


def decoded_for(state: PartitionState, events: Sequence[Any | None], times_us: Sequence[int]) -> Decoded:
    """What `state` is to fold; None among the events is a bad record."""
    readers = [None if event is None else state.readers.get(event.__class__) for event in events]
    return Decoded(
        kinds=[None if event is None else event.__class__ for event in events],
        kept=[read and read(event) for read, event in zip(readers, events, strict=True)],
        ids=[b"" if event is None else event.event_id.encode() for event in events],
        cities=[None if event is None else event.city for event in events],
        times=np.array(times_us, np.int64),
        bad=[(place, _BAD) for place, event in enumerate(events) if event is None],
    )
