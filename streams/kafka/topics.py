"""The topics that Sluice needs: what each must be like, creating missing ones, reporting problems."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, TopicAuthorizationFailedError, for_code

from schemas.times import FUTURE_MS
from streams.kafka.availability import connected_admin
from streams.kafka.refusals import NoRightError
from streams.settings import Settings

DEFAULT_MESSAGE_BYTES = 1048588
QUARANTINE_EXTRA_BYTES = 64 * 1024
QUARANTINE_BYTES = 16 << 20
"""The quarantine's largest record batch. The limit counts compressed bytes, and a producer may have
compressed a bad record better than we do: it is far above what the raw topics take."""
AUDIT = "events.quarantine.audit"
SCHEMAS = "events.schemas"
SCHEMA_BYTES = 4 << 20
"""The largest entry of the log of schemas: its text is escaped in it."""
FOR_EVER = "-1"
VISIBLE_SECONDS = 15.0


@dataclass(frozen=True)
class TopicPlan:
    """A topic as it should be. `name` is the full name; `raw` topics belong to the producers and are only
    read. `for_workers` is false for topics that only commands write and read.
    """

    name: str
    partitions: int
    cleanup: str
    purpose: str
    config: dict[str, str]
    raw: bool = False
    for_workers: bool = True


@dataclass(frozen=True)
class Finding:
    """A problem with a topic.

    `missing`: it does not exist (yet); `bearable`: workers run even so, except for the partitions that one of
    Sluice's topics lacks.
    """

    topic: str
    problem: str
    mend: str
    missing: bool = False
    bearable: bool = False


def plan(settings: Settings) -> list[TopicPlan]:
    """Every topic that Sluice reads or writes, in the order in which they are created."""
    compacted = {
        "segment.bytes": str(64 << 20),
        "max.compaction.lag.ms": "600000",
        "min.cleanable.dirty.ratio": "0.1",
    }
    bad_kept = {"max.message.bytes": str(QUARANTINE_BYTES), "retention.ms": "1209600000"}
    audit_kept = {"retention.ms": FOR_EVER, "retention.bytes": FOR_EVER}
    schemas_kept = {**audit_kept, "max.message.bytes": str(SCHEMA_BYTES)}
    timely = {"message.timestamp.after.max.ms": str(FUTURE_MS)}
    count, own = settings.partitions, settings.topic
    return [
        *(
            TopicPlan(name, count, "delete", "events from the marketplace's producers", timely, raw=True)
            for name in settings.raw_topics
        ),
        TopicPlan(
            own("events.quarantine"), count, "delete", "records that are not valid events, and why", bad_kept
        ),
        TopicPlan(
            own(AUDIT), 1, "delete", "what was done with quarantined records", audit_kept, for_workers=False
        ),
        TopicPlan(
            own(SCHEMAS),
            1,
            "delete",
            "the schemas of records in the registry's wire format, as they were decided",
            schemas_kept,
            for_workers=bool(settings.schema_registry_url),
        ),
        TopicPlan(own("views.feed"), count, "compact", "view state and the workers' checkpoints", compacted),
        TopicPlan(own("ops.gates"), 1, "compact", "the newest record of every gate", compacted),
        TopicPlan(
            own("ops.alarms"), 1, "delete", "alarms raised and cleared", {"retention.ms": "2592000000"}
        ),
        TopicPlan(own("ops.acks"), 1, "compact", "who has taken an alarm on", compacted),
        TopicPlan(own("ops.overrides"), 1, "compact", "what people have decided of gates", compacted),
    ]


def transactional_ids(settings: Settings, partitions: dict[str, int]) -> list[str]:
    """All transactional ids in use, for ACLs: `<group>-<topic>-<partition>` of the views workers, which
    `sluice views rebuild` uses too, besides `<group>-rebuild-<topic>-<partition>`; the gates' one, and that
    of `sluice quarantine replay`.
    """
    group = settings.group("views")
    sources = [f"{topic}-{number}" for topic, count in partitions.items() for number in range(count)]
    views = [f"{group}-{source}" for source in sources] + [f"{group}-rebuild-{source}" for source in sources]
    return [*views, settings.group("gates"), settings.group("quarantine")]


@dataclass(frozen=True)
class TopicState:
    """A topic as it is: partition count and the configuration values that matter here."""

    partitions: int
    config: dict[str, str]


async def describe(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, TopicState]:
    """The topics among `names` that exist. Raises `NoRightError`, and aiokafka's errors."""
    found: dict[str, int] = {}
    for topic in await admin.describe_topics(names):
        if for_code(topic["error_code"]) is TopicAuthorizationFailedError:
            raise NoRightError(f"Describe topic {topic['topic']}")
        if topic["error_code"] == 0:
            found[topic["topic"]] = len(topic["partitions"])
    if not found:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in found]
    configs: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for resource in response.resources:
            error, _, _, name, entries = resource[:5]
            if for_code(error) is TopicAuthorizationFailedError:
                raise NoRightError(f"DescribeConfigs topic {name}")
            if error:
                raise for_code(error)(f"reading the configuration of {name}")
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return {name: TopicState(count, configs[name]) for name, count in found.items()}


async def create(settings: Settings) -> tuple[list[str], list[Finding]]:
    """Create missing topics, and add partitions where there are too few; returns (created, wrong).

    Raw topics get SLUICE_PARTITIONS, the feed and the quarantine as many as the largest raw topic. No
    partitions are added while a topic has the wrong cleanup policy. Raises `TimeoutError` when added
    partitions do not become visible.
    """
    wanted = plan(settings)
    names = [topic.name for topic in wanted]
    made: list[str] = []
    async with connected_admin(settings) as admin:
        for raw in (True, False):  # our own topics are sized to fit the raw ones
            there = await describe(admin, names)
            for topic in wanted:
                if topic.raw is raw and topic.name not in there:
                    await _make(admin, _fitted(settings, topic, there), settings.replication)
                    made.append(topic.name)
            await _until_described(admin, [topic.name for topic in wanted if topic.raw is raw])
        there = await describe(admin, names)
        if all(finding.bearable for finding in findings(settings, wanted, there)):
            made += await _grow(admin, settings, there)
        return made, findings(settings, wanted, await describe(admin, names))


def _fitted(settings: Settings, topic: TopicPlan, there: dict[str, TopicState]) -> TopicPlan:
    raw = [there[name] for name in settings.raw_topics if name in there]
    if topic.name not in (settings.topic("views.feed"), settings.topic("events.quarantine")) or not raw:
        return topic
    config = dict(topic.config)
    if topic.name == settings.topic("events.quarantine"):
        needed = max(map(_message_bytes, raw)) + QUARANTINE_EXTRA_BYTES
        config["max.message.bytes"] = str(max(needed, QUARANTINE_BYTES))
    return replace(topic, partitions=max(state.partitions for state in raw), config=config)


async def _make(admin: AIOKafkaAdminClient, topic: TopicPlan, replication: int) -> None:
    config = {"cleanup.policy": topic.cleanup, **topic.config}
    new = NewTopic(topic.name, topic.partitions, replication, topic_configs=config)
    response = await admin.create_topics([new])
    for name, code, *rest in response.topic_errors:
        if for_code(code) is TopicAuthorizationFailedError:
            raise NoRightError(f"Create topic {name}")
        if code and for_code(code) is not TopicAlreadyExistsError:
            raise for_code(code)(f"making topic {name}: {rest[0] if rest else ''}")


async def _until_described(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """It takes a moment until every broker knows a new topic, including its partitions."""
    async with asyncio.timeout(VISIBLE_SECONDS):
        while len(await describe(admin, names)) < len(names):  # noqa: ASYNC110 - it can only be polled
            await asyncio.sleep(0.05)


async def _grow(admin: AIOKafkaAdminClient, settings: Settings, there: dict[str, TopicState]) -> list[str]:
    """Raw topics last: no worker may see a raw partition that has none in the feed and the quarantine."""
    raw = settings.raw_topics
    need = max(settings.partitions, *(there[name].partitions for name in raw))
    wanted = {settings.topic("views.feed"): need, settings.topic("events.quarantine"): need}
    wanted |= dict.fromkeys(raw, settings.partitions)
    grown = []
    for name, partitions in wanted.items():
        had = there[name].partitions
        if had < partitions:
            await _add_partitions(admin, name, partitions)
            grown.append(f"{name} (grown from {had} to {partitions} partitions)")
    return grown


async def _add_partitions(admin: AIOKafkaAdminClient, name: str, partitions: int) -> None:
    """Add partitions, and return when they are visible."""
    try:
        await admin.create_partitions({name: NewPartitions(partitions)})
    except TopicAuthorizationFailedError:
        raise NoRightError(f"Alter topic {name}") from None
    async with asyncio.timeout(VISIBLE_SECONDS):
        while (await describe(admin, [name]))[name].partitions < partitions:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.05)


async def inspect(settings: Settings, names: Collection[str]) -> list[Finding]:
    """The current problems of the topics of these names."""
    wanted = [topic for topic in plan(settings) if topic.name in names]
    async with connected_admin(settings) as admin:
        there = await describe(admin, [topic.name for topic in wanted])
    return findings(settings, wanted, there)


def findings(settings: Settings, wanted: list[TopicPlan], there: dict[str, TopicState]) -> list[Finding]:
    """Compare the existing topics with what they should be."""
    found: list[Finding] = []
    for topic in wanted:
        state = there.get(topic.name)
        if state is None:
            mend, bearable = "sluice topics create", not topic.for_workers
            found.append(Finding(topic.name, "does not exist", mend, missing=True, bearable=bearable))
            continue
        policy = state.config.get("cleanup.policy", "")
        if policy != topic.cleanup:
            mend = f"set cleanup.policy={topic.cleanup} on it, or use another SLUICE_PREFIX"
            if topic.raw:
                mend = f"set cleanup.policy={topic.cleanup} on it: events must not be compacted away"
            problem = f"has cleanup.policy={policy}, not {topic.cleanup}"
            found.append(Finding(topic.name, problem, mend, bearable=not topic.for_workers))
    return found + _too_small(settings, there) + _forgetful(settings, there) + _forgetful_log(settings, there)


def _forgetful(settings: Settings, there: dict[str, TopicState]) -> list[Finding]:
    """An audit kept for less time than the quarantine: records that it forgot would be replayed again."""
    quarantine, audit = (there.get(settings.topic(name)) for name in ("events.quarantine", AUDIT))
    if quarantine is None or audit is None:
        return []
    kept, ours = (int(state.config.get("retention.ms", FOR_EVER)) for state in (quarantine, audit))
    # A record stays until its whole segment is old enough, and the newest segment is being written.
    needed = kept + int(quarantine.config.get("segment.ms", 0))
    if ours < 0 or (kept >= 0 and ours >= needed):
        return []
    problem = f"has retention.ms={ours}: it forgets what was replayed while the quarantine still has it"
    mend = f"set retention.ms={FOR_EVER if kept < 0 else needed} on it, or more"
    return [Finding(settings.topic(AUDIT), problem, mend, bearable=True)]


def _forgetful_log(settings: Settings, there: dict[str, TopicState]) -> list[Finding]:
    """A log of schemas that is not kept for ever: an id that it forgot is asked for again."""
    state = there.get(settings.topic(SCHEMAS))
    limits = ("retention.ms", "retention.bytes")
    short = [
        f"{name}={state.config[name]}"
        for name in limits
        if state and state.config.get(name, FOR_EVER) != FOR_EVER
    ]
    if not settings.schema_registry_url or not short:
        return []
    problem = f"has {' and '.join(short)}: what it forgets is asked for again, and may be answered otherwise"
    mend = f"set retention.ms={FOR_EVER} and retention.bytes={FOR_EVER} on it"
    return [Finding(settings.topic(SCHEMAS), problem, mend, bearable=True)]


def _too_small(settings: Settings, there: dict[str, TopicState]) -> list[Finding]:
    found: list[Finding] = []
    raw = [there[name] for name in settings.raw_topics if name in there]
    need = max((state.partitions for state in raw), default=0)
    for name in (settings.topic("views.feed"), settings.topic("events.quarantine")):
        if name in there and there[name].partitions < need:
            problem = f"has {there[name].partitions} partitions, but a raw topic has {need}"
            found.append(Finding(name, problem, "sluice topics create (it adds partitions)", bearable=True))
    quarantine = there.get(settings.topic("events.quarantine"))
    largest = max((_message_bytes(state) for state in raw), default=0)
    if quarantine is not None and _message_bytes(quarantine) < largest + QUARANTINE_EXTRA_BYTES:
        problem = f"takes records of {_message_bytes(quarantine)} bytes, but a raw topic takes {largest}"
        mend = f"set max.message.bytes={largest + QUARANTINE_EXTRA_BYTES} on it"
        found.append(Finding(settings.topic("events.quarantine"), problem, mend, bearable=True))
    return found


def _message_bytes(state: TopicState) -> int:
    return int(state.config.get("max.message.bytes", DEFAULT_MESSAGE_BYTES))
