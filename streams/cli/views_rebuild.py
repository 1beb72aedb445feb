"""`sluice views rebuild`: fills in the past of a view whose declaration has changed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from streams.cli.common import Failure, WrongUsage, ask_kafka, echo_json, json_option, say, timeout_option
from streams.cli.meter import Meter
from streams.cli.parameters import Time
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.rebuild.partition import Rebuilt
    from tables.spec.view import View


@click.command()
@click.argument("name")
@click.option(
    "--from", "since", type=Time(), metavar="DAY", help="Only what occurred on this day (UTC) or later."
)
@timeout_option
@json_option
def rebuild(*, name: str, since: datetime | None, timeout_seconds: float, as_json: bool) -> None:
    """Compute the view NAME from Bronze and Kafka, as it is declared now, and have it answer.

    Until all partitions have it, its former definition answers; workers, api and gates go on meanwhile. It
    may be killed and begun again: what is done is kept. SLUICE_… must be as the views workers have them.

    \b
    Examples:
      sluice views rebuild kpi_gmv
      sluice views rebuild kpi_gmv --from 2026-03-01 --json
    """
    settings = Settings.load()
    from streams.chosen_views import chosen_views  # noqa: PLC0415 - these take a moment
    from tables.query.values import did_you_mean  # noqa: PLC0415

    views = chosen_views(settings)
    if name not in views:
        raise WrongUsage(f"there is no view {name}{did_you_mean(name, views)} (SLUICE_VIEWS: sluice views)")
    from_us = None if since is None else int(since.timestamp()) * 1_000_000
    found = ask_kafka(settings, _rebuilt(settings, views[name], from_us), timeout_seconds)
    if as_json:
        echo_json({"view": name, "definition": views[name].definition_hash, "partitions": found})
    else:
        for one in found:
            since_text = f"; events from before {one['since']} may be missing" if one["since"] else ""
            where = f"{one['topic']}-{one['partition']}"
            say(f"{where}: whole up to offset {one['offset']:,}, {one['records']:,} read now{since_text}")
        say(f"{name} answers by its new definition")


async def _rebuilt(settings: Settings, view: View, from_us: int | None) -> list[dict[str, Any]]:
    """What there is of each partition then. Raises `Failure`."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415

    from agents.bronze.files import CorruptFileError  # noqa: PLC0415
    from agents.bronze.store import StoreError  # noqa: PLC0415
    from streams.kafka.availability import reason_of  # noqa: PLC0415
    from streams.rebuild import job, partition, plan  # noqa: PLC0415
    from tables.keys import FeedFormatError  # noqa: PLC0415

    meter = Meter()

    def show(topic: str, partition: int, offset: int, end: int) -> None:
        meter.show(f"{topic}-{partition}: at offset {offset:,} of {end:,}")

    try:
        found = await job.rebuild(settings, view, from_us, show)
    except (KafkaError, OSError) as error:
        why = await reason_of(settings, error)
        raise Failure(f"Kafka did not do it ({why}): run this again, it goes on where it was") from None
    except (partition.RebuildError, plan.MissingRecordsError) as error:
        raise Failure(str(error)) from None
    except (StoreError, CorruptFileError, FeedFormatError) as error:
        raise Failure(f"{error}; when that is mended, run this again: it goes on where it was") from None
    finally:
        meter.end()
    return [_shown(one) for one in found]


def _shown(one: Rebuilt) -> dict[str, Any]:
    from schemas.times import format_time  # noqa: PLC0415

    since = None if one.since_us is None else format_time(one.since_us)
    shown = {"topic": one.topic, "partition": one.partition, "offset": one.offset, "records": one.records}
    return {**shown, "since": since}
