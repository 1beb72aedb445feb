"""The bad records that a command works on: those at some places, or all that are chosen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from agents.quarantine.record import Position, QuarantineRecord
from streams.kafka.producer import RefusedError
from streams.settings import Settings
from streams.sources.quarantine import quarantine_record, quarantine_records

FEW = 20
"""Up to so many records are read one by one; for more the quarantine is read from the first of them on."""

Edited = Callable[[QuarantineRecord], bytes | None]


@dataclass
class Cut:
    """Chosen records that are not whole: how many, and one of them."""

    count: int = 0
    first: QuarantineRecord | None = None


def why_cut(record: QuarantineRecord) -> str:
    """Why a record that is not whole cannot be sent again, and where the whole of it is."""
    what, also = "key", ""
    if record.truncated is not None:
        what, also = "value", ", and in Bronze, under _bad/, in the row of that topic, partition and offset"
    return (
        f"the {what} of record {record.at} was too large for this topic and is not in it: it is in"
        f" {record.source}, while Kafka keeps it{also}"
    )


async def by_id(
    settings: Settings, ids: Sequence[Position], edited: Edited | None, *, whole: bool
) -> AsyncIterator[QuarantineRecord]:
    """The records at these places. Raises `RefusedError` before the first, if one is not there, or if they
    have to be `whole` and one is not; one that is `edited` needs no value of its own."""
    wanted = list(dict.fromkeys(ids))
    missing = set(wanted)
    async for record in _at(settings, wanted):
        missing.discard(record.at)
        if whole and not record.complete:
            is_edited = edited is not None and edited(record) is not None
            if not is_edited or record.key_truncated is not None:
                raise RefusedError(why_cut(record))
    if missing:
        raise RefusedError(f"there is no record {min(missing)} in {settings.topic('events.quarantine')}")
    async for record in _at(settings, wanted):
        yield record


async def _at(settings: Settings, wanted: Sequence[Position]) -> AsyncIterator[QuarantineRecord]:
    if len(wanted) <= FEW:
        for at in wanted:
            record = await quarantine_record(settings, at)
            if record is not None:
                yield record
        return
    starts: dict[int, int] = {}
    for at in wanted:
        starts[at.partition] = min(at.offset, starts.get(at.partition, at.offset))
    places = set(wanted)
    async for record in quarantine_records(settings, starts):
        if record.at in places:
            yield record


async def all_chosen(
    settings: Settings, chosen: Callable[[QuarantineRecord], bool], cut: Cut | None
) -> AsyncIterator[QuarantineRecord]:
    """The chosen records; with `cut` the whole ones alone: the others are counted there."""
    async for record in quarantine_records(settings):
        if not chosen(record):
            continue
        if cut is None or record.complete:
            yield record
        else:
            cut.count += 1
            cut.first = cut.first or record
