"""The rebuild of a view in all source partitions, and the switch once all of them have it."""

from __future__ import annotations

from contextlib import AsyncExitStack

from schemas.validation.validator import Validator
from streams.kafka.availability import connected_admin
from streams.kafka.refusals import no_right
from streams.kafka.rights import missing_rights
from streams.kafka.topology import partition_counts, partitions_of
from streams.rebuild.feed_partition import FeedPartition
from streams.rebuild.partition import PartitionRebuild, Progress, RebuildError, Rebuilt
from streams.registry.schemas import Schemas
from streams.settings import Settings
from tables.definitions import ALIAS, began
from tables.spec.view import View


async def rebuild(settings: Settings, view: View, from_us: int | None, progress: Progress) -> list[Rebuilt]:
    """Fill `view` from its past, everywhere, and have it answer; returns what there is of each partition.

    `from_us`: what occurred before that day (UTC) may be missing, µs; None: nothing is. What an earlier
    process has done is gone on with. Raises `RebuildError`, `MissingRecordsError`, `StoreError`,
    `CorruptFileError`, `FeedFormatError` and aiokafka's errors.
    """
    name = settings.topic("views.feed")
    async with connected_admin(settings) as admin:
        if lacking := await missing_rights(admin, settings, "rebuild"):
            raise RebuildError(no_right(", ".join(lacking)))
    async with AsyncExitStack() as opened:
        feeds = [
            await opened.enter_async_context(FeedPartition(settings, tp.partition, view))
            for tp in await partitions_of(settings, [name])
        ]
        for feed in feeds:
            await feed.read_on()
        schemas = Schemas(settings, final=True)  # up to a worker's checkpoint all is decided
        await schemas.read()
        validator = Validator(settings.max_event_bytes, schemas.known)
        topics = {one for feed in feeds for one in feed.checkpoints if ALIAS not in one}
        counts = await partition_counts(settings, topics)
        parts = [
            PartitionRebuild(
                settings,
                view,
                feed,
                topic,
                in_kafka=feed.tp.partition < counts.get(topic, 0),
                validator=validator,
                progress=progress,
            )
            for feed in feeds
            for topic, checkpoint in sorted(feed.checkpoints.items())
            if ALIAS not in topic and view.name in checkpoint.views
        ]
        if not parts:
            raise RebuildError(
                f"no partition has {view.name} in {name} yet: start `sluice worker views`, with the view in"
                " SLUICE_VIEWS"
            )
        # While a former definition is anywhere, those without one have been switched already.
        anew = all(part.checkpoint.views[view.name][0] == view.definition_hash for part in parts)
        for part in parts:
            await part.look()
            if not part.is_adopted(anew=anew):
                await part.adopt(from_us=from_us, anew=anew)
        for part in parts:
            await part.refresh()
            if began(part.checkpoint, view) is None:
                raise RebuildError(
                    f"{part.name}: a worker of a release that can't rebuild views has dropped the new"
                    " definition: stop it, and run this again"
                )
        for part in parts:
            await part.switch()
            await part.clean()
        return [part.result() for part in parts]
