"""How far an answer can be trusted: partitions, watermark, freshness, complete (docs/contract.md §6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from schemas.times import SECOND_US, format_time
from tables.codec import LAST, Checkpoint
from tables.definitions import Began, began, hashes
from tables.read.state import ReaderState, Report, Source
from tables.spec.view import View

AsOf = int | Literal["now", "watermark"]
"""The time that a query names: µs, or what `resolve_as_of` finds out."""


@dataclass(frozen=True)
class Situation:
    """What a query needs to know besides the feed.

    `wall_us`: the clock, µs. `monotonic`: seconds, the clock that `ReaderState.apply` was given. `topics`:
    raw topic → its number of partitions, None while that is unknown. `feed_read`: the feed has been read to
    the end it had at the start. `clock`: what `now` means (SLUICE_CLOCK).
    """

    wall_us: int
    monotonic: float
    topics: Mapping[str, int | None]
    feed_read: bool
    clock: Literal["wall", "event"]
    stale_seconds: int
    session_seconds: int


class PartitionStatus(NamedTuple):
    """One source partition. `first_offset`: since which the view is computed of it, None: it is not.
    `freshness_seconds`: everything that was in Kafka that long ago is in the answer; None if no worker
    reports. `why`: what about it makes an answer incomplete; None if nothing does."""

    source: Source
    watermark_us: int | None
    first_offset: int | None
    checkpoint_offset: int | None
    lag_records: int | None
    freshness_seconds: float | None
    why: str | None


class Status(NamedTuple):
    """All source partitions, sorted, and what follows for one view from those of the raw topics.

    `because`: why the answer is not complete, a sentence each; empty if it is. `since_us`: events that
    occurred before may be missing from the view, µs; None: none is.
    """

    partitions: list[PartitionStatus]
    because: list[str]
    watermark_us: int | None
    freshness_seconds: float | None
    since_us: int | None

    @property
    def complete(self) -> bool:
        """Whether nothing is known to be missing."""
        return not self.because


def status(reader: ReaderState, view: View, situation: Situation, from_us: int | None = None) -> Status:
    """The state of all source partitions as one view's answer rests on them.

    `from_us`: where the answer's window begins; None: it looks back as far as there is anything.
    The watermark is the minimum over the partitions that have had an event: what all of them have got to.
    A topic that is not in SLUICE_RAW_TOPICS is listed, and its events are in the views; it is not waited for.
    """
    partitions = [
        _partition(reader, view, source, situation, from_us) for source in _sources(reader, situation)
    ]
    awaited = [partition for partition in partitions if partition.source[0] in situation.topics]
    ages = [partition.freshness_seconds for partition in awaited]
    known = situation.feed_read and bool(situation.topics) and all(situation.topics.values())
    freshness = max((age for age in ages if age is not None), default=None)
    return Status(
        partitions,
        because=_because(awaited, situation),
        watermark_us=reader.watermark_us(situation.topics),
        freshness_seconds=freshness if known and None not in ages else None,
        since_us=_since_us(reader, view),
    )


def _since_us(reader: ReaderState, view: View) -> int | None:
    found = [began(checkpoint, view) for checkpoint in reader.checkpoints.values()]
    times = [one.partial_until_us for one in found if one is not None]
    return max((us for us in times if us is not None), default=None)


def _because(awaited: list[PartitionStatus], situation: Situation) -> list[str]:
    """Why an answer is not complete: what is the matter with all of it, then partition by partition."""
    said = [] if situation.feed_read else ["the feed has not been read to its end yet"]
    if not situation.topics:
        said.append("there is no raw topic")
    said += [
        f"{topic}: the topic does not exist, or Kafka has not said yet how many partitions it has"
        for topic, count in situation.topics.items()
        if not count
    ]
    return said + [f"{p.source[0]}-{p.source[1]}: {p.why}" for p in awaited if p.why is not None]


def _sources(reader: ReaderState, situation: Situation) -> list[Source]:
    sources = set(reader.checkpoints)
    for topic, count in situation.topics.items():
        sources |= {(topic, number) for number in range(count or 0)}
    return sorted(sources)


def _partition(
    reader: ReaderState, view: View, source: Source, situation: Situation, from_us: int | None
) -> PartitionStatus:
    checkpoint, report = reader.checkpoints.get(source), reader.reports.get(source)
    offset = checkpoint.next if checkpoint else report.next if report else None
    lag = freshness = None
    if report is not None and offset is not None:
        lag = max(0, report.end - offset)
        heard_seconds = max(0.0, situation.monotonic - report.heard_at)
        freshness = max(heard_seconds, _unread_seconds(reader, source, report, offset, situation))
    since = began(checkpoint, view) if checkpoint else None
    partial = _why_partial(checkpoint, since, view, from_us)
    why = [source_staleness(reader, view, source, situation), partial]
    because = "; ".join(one for one in why if one is not None) or None
    watermark = checkpoint.watermark if checkpoint else None
    return PartitionStatus(
        source, watermark, since.offset if since else None, offset, lag, freshness, because
    )


def _why_partial(
    checkpoint: Checkpoint | None, since: Began | None, view: View, from_us: int | None
) -> str | None:
    """What is missing from a view for good, from the answer's window on; None if nothing is."""
    until_us = since.partial_until_us if since else None
    if since is None or until_us is None or (from_us is not None and from_us >= until_us):
        return None
    assert checkpoint is not None
    before = f"events from before {format_time(until_us)} may be missing"
    if checkpoint.lost:
        first, end = checkpoint.lost[-1]
        more = f", and {len(checkpoint.lost) - 1:,} ranges before them" if len(checkpoint.lost) > 1 else ""
        return f"records were lost: Kafka deleted the offsets {first} to {end - 1} unread{more}; {before}"
    return f"{view.name} began at offset {since.offset}, after the partition's first records; {before}"


def stale_sources(reader: ReaderState, view: View, situation: Situation) -> list[tuple[Source, str]]:
    """The raw topics' partitions that a view can't be trusted for now, sorted, and why."""
    awaited = [source for source in _sources(reader, situation) if source[0] in situation.topics]
    judged = [(source, source_staleness(reader, view, source, situation)) for source in awaited]
    return [(source, why) for source, why in judged if why is not None]


def tripped_sources(reader: ReaderState, situation: Situation) -> list[tuple[Source, str]]:
    """The raw topics' partitions whose breaker has tripped, sorted, and why."""
    return [
        (source, f"{report.bad:,} of its last {LAST:,} records are bad, more than SLUICE_BAD_SHARE allows")
        for source, report in sorted(reader.reports.items())
        if report.bad is not None and source[0] in situation.topics
    ]


def source_staleness(reader: ReaderState, view: View, source: Source, situation: Situation) -> str | None:
    """Why a source partition is behind or not reported on, for people; None if it is neither."""
    checkpoint, report = reader.checkpoints.get(source), reader.reports.get(source)
    if report is None or situation.monotonic - report.heard_at > situation.session_seconds:
        return f"no worker has reported on it for {situation.session_seconds} s"
    if checkpoint is None and report.next > 0:  # as on a feed partition that has just been added
        return "its checkpoint has not been read yet"
    if source in reader.damaged:
        return "a record of its state in the feed can't be read (`sluice doctor` says which)"
    offset = checkpoint.next if checkpoint else report.next
    if _unread_seconds(reader, source, report, offset, situation) > situation.stale_seconds:
        return f"a record has been unread for over {situation.stale_seconds} s"
    if checkpoint and view.definition_hash not in hashes(checkpoint, view.name):
        does = "computes another definition of" if view.name in checkpoint.views else "does not compute"
        return f"its worker {does} {view.name}"
    return None


def _unread_seconds(
    reader: ReaderState, source: Source, report: Report, offset: int, situation: Situation
) -> float:
    """Age of the oldest record that is known to be missing here; 0 if none is."""
    seconds = 0.0
    if report.oldest_unread_ms is not None and offset < report.end:
        seconds = situation.wall_us / SECOND_US - report.oldest_unread_ms / 1000
    claim = reader.claims.get(source)
    if claim is not None:  # in a checkpoint that this reader has not got
        seconds = max(seconds, situation.monotonic - claim.since)
    return max(0.0, seconds)


def resolve_as_of(reader: ReaderState, as_of: AsOf, situation: Situation) -> tuple[int, int]:
    """`as_of` in µs, and the end of a window that ends there, in µs, exclusive.

    A time taken from the events is that of the newest one, which belongs to the window: its end lies 1 µs
    after it. Before the first event it is the clock's.
    """
    if isinstance(as_of, int):
        return as_of, as_of
    if as_of == "watermark":
        at_us = reader.watermark_us(situation.topics)
    else:
        at_us = reader.newest_us() if situation.clock == "event" else None
    return (situation.wall_us, situation.wall_us) if at_us is None else (at_us, at_us + 1)
