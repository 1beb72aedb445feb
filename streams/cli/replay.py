"""`sluice replay`: send files of events to Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from streams.cli.common import (
    Failure,
    WrongUsage,
    await_kafka,
    echo_json,
    json_option,
    plain_logs,
    timeout_option,
)
from streams.cli.sending import Meter, until_signal
from streams.kafka.producer import RefusedError
from streams.settings import Settings
from streams.sources import replay as replaying
from streams.sources.documents import Tally
from streams.sources.files import InputFile
from streams.sources.ndjson import Ndjson
from streams.sources.online_retail import OnlineRetail
from streams.sources.rebase import newest, whole_seconds
from streams.sources.record import NotEventsError, Source, SourceError

FORMATS = ("ndjson", "online-retail")


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    default="ndjson",
    show_default=True,
    help="ndjson: one event envelope a line; JSON arrays and objects in a row too. online-retail: the CSV of "
    "the UCI data set, as it comes or saved by a spreadsheet.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Events a second.  [default: as fast as Kafka takes them]",
)
@click.option("--rebase", type=click.Choice(["now"]), help="Shift all times so that the newest event is now.")
@click.option("--force", is_flag=True, help="Send a file even if no event is among its first lines.")
@click.option("--topic", help="Where to.  [default: the first of SLUICE_RAW_TOPICS]")
@timeout_option
@json_option
def replay(
    *, files: tuple[str, ...], format_name: str, rate: float | None, rebase: str | None, topic: str | None,
    force: bool, timeout_seconds: float, as_json: bool,
) -> None:  # fmt: skip
    """Send the events of FILEs to Kafka, in their order; `-` is standard input.

    Files may be packed (gzip, bzip2, xz, Zstandard, zip) and in UTF-8, UTF-16 or UTF-32. Lines are sent as
    they are: whether an event is valid is for the workers to say. A file without an event among its first
    lines is not sent (exit code 2). The Kafka timestamp is the time of sending. It ends when Kafka has
    acknowledged every event, with exit code 1 if none of them looked like one; Ctrl-C ends it before that,
    and it says how many were sent.

    \b
    Examples:
      sluice replay events.ndjson.gz
      sluice replay --rate 500 --rebase now monday.ndjson tuesday.ndjson
      sluice replay --format online-retail online_retail.csv.gz
    """
    settings = Settings.load()
    plain_logs()
    inputs = [InputFile(name, keep=rebase is not None) for name in files]
    sources = [_source(file, format_name, force=force) for file in inputs]
    meter = Meter()
    try:
        for source in sources:
            source.check()  # before Kafka is waited for, and before any of the files is sent
        by = _shift_to_now(sources) if rebase else None
        await_kafka(settings, timeout_seconds)
        plan = replaying.Replay(sources, topic or settings.raw_topics[0], rate, by)
        total = asyncio.run(until_signal(settings, plan, meter))
    except NotEventsError as error:
        meter.end()
        raise WrongUsage(f"{error}{meter.so_far()}") from None
    except (SourceError, RefusedError) as error:
        meter.end()
        raise Failure(f"{error}{meter.so_far()}") from None
    finally:
        for file in inputs:
            file.close()
    meter.end()
    if not total.sent and not total.interrupted and not force:
        raise WrongUsage(f"{', '.join(files)}: empty, there is no event to send (--force: that is well)")
    tally = _tally(sources)
    _tell(total, plan, tally, as_json=as_json)
    if total.interrupted or (total.sent and total.sent == tally.total):
        raise click.exceptions.Exit(1)


def _source(file: InputFile, format_name: str, *, force: bool) -> Ndjson | OnlineRetail:
    return OnlineRetail(file) if format_name == "online-retail" else Ndjson(file, force=force)


def _tally(sources: Sequence[Source]) -> Tally:
    tallies = [source.tally for source in sources if isinstance(source, Ndjson)]
    return Tally(
        sum(tally.not_objects for tally in tallies),
        sum(tally.not_envelopes for tally in tallies),
    )


def _shift_to_now(sources: Sequence[Source]) -> timedelta:
    times = [at for source in sources if (at := newest(source.records())) is not None]
    if not times:
        raise SourceError(", ".join(source.name for source in sources), None, "no event has a time to rebase")
    return whole_seconds(max(times), datetime.now(UTC))


def _tell(total: replaying.Progress, plan: replaying.Replay, tally: Tally, *, as_json: bool) -> None:
    if as_json:
        echo_json(_report(total, plan, tally))
        return
    text = f"{total.acknowledged:,} events to {plan.topic} in {total.seconds:,.1f} s ({total.rate:,.0f}/s)"
    if total.interrupted:
        unknown = total.sent - total.acknowledged
        text = f"interrupted: {text}" + (f"; of {unknown:,} more Kafka has not said" if unknown else "")
    else:
        text += ", all acknowledged"
    click.echo(text)
    if tally.total:
        click.echo(
            f"of {total.sent:,} lines or values {tally.not_objects:,} are no JSON object and "
            f"{tally.not_envelopes:,} more have no envelope: they go to quarantine (sluice quarantine list)"
        )


def _report(total: replaying.Progress, plan: replaying.Replay, tally: Tally) -> dict[str, Any]:
    return {
        "topic": plan.topic,
        "files": [source.name for source in plan.sources],
        "read": total.sent,
        "acknowledged": total.acknowledged,
        "not_objects": tally.not_objects,
        "not_envelopes": tally.not_envelopes,
        "value_bytes": total.value_bytes,
        "seconds": round(total.seconds, 3),
        "events_per_second": round(total.rate, 1),
        "shifted_seconds": None if plan.by is None else int(plan.by.total_seconds()),
        "interrupted": total.interrupted,
    }
