"""The topics that Sluice needs: what each must be like, making what is missing, saying what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from streams.bus.client import connected_admin
from streams.settings import Settings

DEFAULT_MESSAGE_BYTES = 1048588
QUARANTINE_EXTRA_BYTES = 64 * 1024
FUTURE_MS = 5 * 60 * 1000


@dataclass(frozen=True)
class TopicPlan:
    """A topic as it should be. `name` is whole; `raw` topics belong to the producers and are only read."""

    name: str
    partitions: int
    replication: int
    cleanup: str
    purpose: str
    raw: bool = False
    config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """Something about a topic that is not as it should be. `missing`: it is not there at all (yet)."""

    topic: str
    problem: str
    mend: str
    missing: bool = False


def plan(settings: Settings) -> list[TopicPlan]:
    """Every topic that Sluice reads or writes, in the order in which they are made."""
    small_segments = {
        "segment.bytes": str(64 << 20),
        "max.compaction.lag.ms": "600000",
        "min.cleanable.dirty.ratio": "0.1",
    }
    raw = [
        TopicPlan(
            name,
            settings.partitions,
            settings.replication,
            "delete",
            "events from the marketplace's producers",
            raw=True,
            config={"message.timestamp.after.max.ms": str(FUTURE_MS)},
        )
        for name in settings.raw_topics
    ]
    own = [
        (
            "events.quarantine",
            settings.partitions,
            "delete",
            "records that are not valid events, and why",
            {
                "max.message.bytes": str(DEFAULT_MESSAGE_BYTES + QUARANTINE_EXTRA_BYTES),
                "retention.ms": "1209600000",
            },
        ),
        (
            "views.feed",
            settings.partitions,
            "compact",
            "view state and the workers' checkpoints",
            small_segments,
        ),
        ("ops.gates", 1, "compact", "the newest record of every gate", small_segments),
        ("ops.alarms", 1, "delete", "alarms raised and cleared", {"retention.ms": "2592000000"}),
    ]
    return raw + [
        TopicPlan(settings.topic(name), partitions, settings.replication, cleanup, purpose, config=config)
        for name, partitions, cleanup, purpose, config in own
    ]


def transactional_ids(settings: Settings, partitions: dict[str, int]) -> list[str]:
    """All transactional ids in use, for ACLs: `<group>-<topic>-<partition>` of the views workers."""
    group = settings.group("views")
    return [f"{group}-{topic}-{number}" for topic, count in partitions.items() for number in range(count)]


@dataclass(frozen=True)
class TopicState:
    """A topic as it is: partition count and the configuration values that matter here."""

    partitions: int
    config: dict[str, str]


async def describe(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, TopicState]:
    """The topics among `names` that exist."""
    found: dict[str, int] = {}
    for topic in await admin.describe_topics(names):
        if topic["error_code"] == 0:
            found[topic["topic"]] = len(topic["partitions"])
    if not found:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in found]
    configs: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for resource in response.resources:
            error, _, _, name, entries = resource[:5]
            if error:
                raise for_code(error)(f"reading the configuration of {name}")
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return {name: TopicState(count, configs[name]) for name, count in found.items()}


async def create(settings: Settings) -> tuple[list[str], list[Finding]]:
    """Make what is missing and grow the feed and the quarantine to the raw topics; answers (made, wrong)."""
    admin = await connected_admin(settings)
    try:
        wanted = plan(settings)
        there = await describe(admin, [topic.name for topic in wanted])
        most = max((there[t.name].partitions for t in wanted if t.raw and t.name in there), default=0)
        made = []
        for topic in wanted:
            if topic.name not in there:
                await _make(admin, topic, most)
                made.append(topic.name)
        there = await describe(admin, [topic.name for topic in wanted])
        made += await _grow(admin, settings, there)
        there = await describe(admin, [topic.name for topic in wanted])
        return made, findings(settings, there)
    finally:
        await admin.close()


async def _make(admin: AIOKafkaAdminClient, topic: TopicPlan, most_raw_partitions: int) -> None:
    count = topic.partitions
    if topic.name.endswith(("views.feed", "events.quarantine")):
        count = max(count, most_raw_partitions)
    config = {"cleanup.policy": topic.cleanup, **topic.config}
    new = NewTopic(topic.name, count, topic.replication, topic_configs=config)
    response = await admin.create_topics([new])
    for name, code, *rest in response.topic_errors:
        if code and for_code(code) is not TopicAlreadyExistsError:
            raise for_code(code)(f"making topic {name}: {rest[0] if rest else ''}")


async def _grow(admin: AIOKafkaAdminClient, settings: Settings, there: dict[str, TopicState]) -> list[str]:
    need = max(there[name].partitions for name in settings.raw_topics)
    grown = []
    for name in (settings.topic("views.feed"), settings.topic("events.quarantine")):
        if there[name].partitions < need:
            await admin.create_partitions({name: NewPartitions(need)})
            grown.append(f"{name} (to {need} partitions)")
    return grown


async def inspect(settings: Settings) -> list[Finding]:
    """What is wrong with the topics, as they are now."""
    admin = await connected_admin(settings)
    try:
        names = [topic.name for topic in plan(settings)]
        return findings(settings, await describe(admin, names))
    finally:
        await admin.close()


def findings(settings: Settings, there: dict[str, TopicState]) -> list[Finding]:
    """Hold the topics as they are against the plan."""
    found: list[Finding] = []
    for topic in plan(settings):
        state = there.get(topic.name)
        if state is None:
            found.append(Finding(topic.name, "does not exist", "sluice topics create", missing=True))
            continue
        policy = state.config.get("cleanup.policy", "")
        if policy != topic.cleanup:
            mend = f"set cleanup.policy={topic.cleanup} on it, or use another SLUICE_PREFIX"
            if topic.raw:
                mend = f"set cleanup.policy={topic.cleanup} on it: events must not be compacted away"
            found.append(Finding(topic.name, f"has cleanup.policy={policy}, not {topic.cleanup}", mend))
    found += _too_small(settings, there)
    return found


def _too_small(settings: Settings, there: dict[str, TopicState]) -> list[Finding]:
    found: list[Finding] = []
    raw = [there[name] for name in settings.raw_topics if name in there]
    need = max((state.partitions for state in raw), default=0)
    for name in (settings.topic("views.feed"), settings.topic("events.quarantine")):
        if name in there and there[name].partitions < need:
            problem = f"has {there[name].partitions} partitions, but a raw topic has {need}"
            found.append(Finding(name, problem, "sluice topics create (it adds partitions)"))
    quarantine = there.get(settings.topic("events.quarantine"))
    largest = max((_message_bytes(state) for state in raw), default=0)
    if quarantine is not None and _message_bytes(quarantine) < largest + QUARANTINE_EXTRA_BYTES:
        problem = f"takes records of {_message_bytes(quarantine)} bytes, but a raw topic takes {largest}"
        mend = f"set max.message.bytes={largest + QUARANTINE_EXTRA_BYTES} on it"
        found.append(Finding(settings.topic("events.quarantine"), problem, mend))
    return found


def _message_bytes(state: TopicState) -> int:
    return int(state.config.get("max.message.bytes", DEFAULT_MESSAGE_BYTES))
