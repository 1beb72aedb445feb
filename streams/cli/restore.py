"""`sluice restore`: after Kafka was lost, the views are computed anew from what former Bronzes have."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from streams.cli.common import Failure, WrongUsage, ask_kafka, echo_json, json_option, say, timeout_option
from streams.cli.meter import Meter
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.restore.partition import Progress, Restored
    from streams.restore.past import PastPartition

FEW_SECONDS = 2.0
"""After so long it can be told how long the rest takes."""


@click.command()
@click.option("--resume", is_flag=True, help="Go on with a restoration that was ended.")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be restored, and whether it can be; write nothing."
)
@timeout_option
@json_option
def restore(*, resume: bool, dry_run: bool, timeout_seconds: float, as_json: bool) -> None:
    """Compute all views anew from former Bronzes, into a new Kafka: the old one is lost with all it had.

    SLUICE_BRONZE_FORMER names where Bronze lay (the oldest first), SLUICE_BRONZE_URL where it goes on. Run it
    after `sluice topics create`, before any views worker. It refuses a feed that is not empty. It may be
    killed, and gone on with by --resume. SLUICE_… must be as the views workers have them.

    \b
    Examples:
      sluice restore --dry-run
      sluice restore
      sluice restore --resume --json
    """
    settings = Settings.load()
    if not settings.bronze_former:
        raise WrongUsage(
            "set SLUICE_BRONZE_FORMER to where Bronze lay before Kafka was lost, and SLUICE_BRONZE_URL to"
            " where it goes on: another place, as offsets begin at 0 again"
        )
    question = _restored(settings, resume=resume, dry_run=dry_run)
    found = ask_kafka(settings, question, timeout_seconds)
    if as_json:
        echo_json({"dry_run": dry_run, "partitions": found})
        return
    for one in found:
        say(_told(one, dry_run=dry_run))
    if not dry_run:
        say("start the workers; have producers send again what they sent since: what is known counts once")


async def _restored(settings: Settings, *, resume: bool, dry_run: bool) -> list[dict[str, Any]]:
    """What became of each partition. Raises `Failure`."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415 - these take a moment

    from agents.bronze.files import CorruptFileError  # noqa: PLC0415
    from agents.bronze.store import StoreError  # noqa: PLC0415
    from streams.kafka.availability import reason_of  # noqa: PLC0415
    from streams.restore import job, past  # noqa: PLC0415
    from streams.store.urls import former_stores  # noqa: PLC0415
    from tables.keys import FeedFormatError  # noqa: PLC0415

    meter = Meter()
    stores = former_stores(settings)
    again = "run this again with --resume: it goes on where it was"
    try:
        partitions = await past.past_of(stores)
        if not partitions:
            raise Failure(f"nothing is committed in {', '.join(map(str, stores))}: nothing can be restored")
        show = shown(partitions, meter.show)
        found = await job.restore(settings, stores, partitions, resume=resume, dry_run=dry_run, progress=show)
    except past.RestoreError as error:
        raise Failure(str(error)) from None
    except (StoreError, CorruptFileError, FeedFormatError) as error:
        raise Failure(f"{error}; when that is mended, {again}") from None
    except (KafkaError, OSError) as error:
        raise Failure(f"Kafka did not do it ({await reason_of(settings, error)}): {again}") from None
    finally:
        meter.end()
    return [_row(one) for one in found]


def shown(
    partitions: Sequence[PastPartition],
    show: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Progress:
    """Shows how far all of it is, and how long the rest takes. The partitions are restored in their order."""
    whole = sum(-one.first for one in partitions)
    began: list[tuple[float, int]] = []

    def told(past: PastPartition, offset: int) -> None:
        before = partitions[: [one.name for one in partitions].index(past.name)]
        done, now = sum(-one.first for one in before) + offset - past.first, clock()
        text = f"{past.name}: {done:,} of {whole:,} offsets ({done / whole:.0%})"
        if not began:
            began.append((now, done))
        seconds, offsets = now - began[0][0], done - began[0][1]
        if seconds > FEW_SECONDS and offsets:
            text += f", {_time((whole - done) * seconds / offsets)} left"
        show(text)

    return told


def _time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _row(one: Restored) -> dict[str, Any]:
    from schemas.times import format_time  # noqa: PLC0415

    past = one.past
    return {
        "topic": past.topic,
        "partition": past.partition,
        "first_offset": past.first,
        "ranges": past.ranges,
        "began_at": past.began_at,
        "newest_at": None if past.newest_ms is None else format_time(past.newest_ms * 1000),
        "records": one.records,
    }


def _told(one: dict[str, Any], *, dry_run: bool) -> str:
    what = f"{-one['first_offset']:,} offsets in {one['ranges']:,} ranges"
    if not dry_run:
        what = f"{one['records']:,} records folded now, of {what}"
    newest = one["newest_at"] or "a time that is not known"
    late = f"; what came before offset {one['began_at']:,} was never in Bronze" if one["began_at"] else ""
    return f"{one['topic']}-{one['partition']}: {what}; what came after {newest} is in no commit{late}"
