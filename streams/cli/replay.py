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
from streams.cli.replay_sources import (
    FORMATS,
    check_examples,
    check_usage,
    ends_with_failure,
    expanded,
    loaded,
    mapping_tally_of,
    report,
    source_of,
    tally_of,
    tell,
)
from streams.cli.sending import Meter, until_signal
from streams.kafka.producer import RefusedError
from streams.settings import Settings
from streams.sources import replay as replaying
from streams.sources.documents import Tally
from streams.sources.files import InputFile
from streams.sources.mappings.tally import MappingTally
from streams.sources.rebase import newest, whole_seconds
from streams.sources.record import NotEventsError, Source, SourceError


@click.command()
@click.argument("files", nargs=-1, metavar="FILE…")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    help="ndjson (the default): one event envelope a line; JSON arrays and objects in a row too. "
    "online-retail: the CSV of the UCI data set, as it comes or saved by a spreadsheet. stripe: webhook "
    "events. cloudevents, connect (records with their schema), debezium (changes of an outbox table).",
)
@click.option(
    "--map",
    "map_file",
    metavar="FILE",
    help="What JSON or CSV of any kind is as events: a mapping file in YAML.",
)
@click.option("--check", is_flag=True, help="Check the mapping file and its examples, and send nothing.")
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
    *, files: tuple[str, ...], format_name: str | None, map_file: str | None, check: bool, rate: float | None,
    rebase: str | None, topic: str | None, force: bool, timeout_seconds: float, as_json: bool,
) -> None:  # fmt: skip
    """Send the events of FILEs to Kafka, in their order; `-` is standard input, a folder all files in it.

    Files may be packed (gzip, bzip2, xz, Zstandard, zip) and in UTF-8, UTF-16 or UTF-32. Lines are sent as
    they are: whether an event is valid is for the workers to say. A file without an event among its first
    lines is not sent (exit code 2). Of other formats and by --map only valid events are sent; what is refused
    is told with its cause and its first line, and the exit code is then 1 (docs/sources.md).

    The Kafka timestamp is the time of sending. It ends when Kafka has acknowledged every event, with exit
    code 1 if none of them looked like one; Ctrl-C ends it before that, and it says how many were sent.

    \b
    Examples:
      sluice replay events.ndjson.gz
      sluice replay --rate 500 --rebase now monday.ndjson tuesday.ndjson
      sluice replay --format online-retail online_retail.csv.gz
      sluice replay --format stripe webhooks/
      sluice replay --map orders.yaml --check
      sluice replay --map orders.yaml orders.csv
    """
    check_usage(files, map_file, format_name, check=check)
    if check and map_file is not None:
        check_examples(map_file)
        return
    settings = Settings.load()
    plain_logs()
    mapping = None if map_file is None else loaded(map_file)
    inputs = [InputFile(name, keep=rebase is not None) for name in expanded(files)]
    sources = [source_of(file, format_name or "ndjson", mapping, settings, force=force) for file in inputs]
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
    mapped = mapping_tally_of(sources)
    if mapped == MappingTally():
        mapped = None
    if not total.sent and not total.interrupted and not force and mapped is None:
        raise WrongUsage(f"{', '.join(files)}: empty, there is no event to send (--force: that is well)")
    tally = tally_of(sources)
    _tell(total, plan, tally, mapped, as_json=as_json)
    if total.interrupted or ends_with_failure(mapped) or (total.sent and total.sent == tally.total):
        raise click.exceptions.Exit(1)


def _shift_to_now(sources: Sequence[Source]) -> timedelta:
    times = [at for source in sources if (at := newest(source.records())) is not None]
    if not times:
        raise SourceError(", ".join(source.name for source in sources), None, "no event has a time to rebase")
    return whole_seconds(max(times), datetime.now(UTC))


def _tell(
    total: replaying.Progress,
    plan: replaying.Replay,
    tally: Tally,
    mapped: MappingTally | None,
    *,
    as_json: bool,
) -> None:
    if as_json:
        echo_json(_report(total, plan, tally) | report(mapped))
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
    if mapped is not None:
        tell(mapped)


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
