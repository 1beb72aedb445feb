"""What each role may do in Kafka, and nothing more: the entries of an access list.

Read, Write and Alter include Describe in Kafka. To write idempotently takes no right of its own since Kafka
3.0: Write on any topic includes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from streams.settings import Settings

RAW, FIRST_RAW = "raw", "first raw"
FEED, BAD, GATES = "views.feed", "events.quarantine", "ops.gates"
ALARMS, ACKS, OVERRIDES = "ops.alarms", "ops.acks", "ops.overrides"
AUDIT, SCHEMAS = "events.quarantine.audit", "events.schemas"

_SINK = {
    RAW: "Read DescribeConfigs",
    SCHEMAS: "Read Write DescribeConfigs",
    ALARMS: "Read Write DescribeConfigs",
}
_TOPICS: dict[str, dict[str, str]] = {
    "admin": {
        RAW: "Create Alter DescribeConfigs",
        BAD: "Create Alter DescribeConfigs",
        AUDIT: "Create Describe DescribeConfigs",
        SCHEMAS: "Create Describe DescribeConfigs",
        FEED: "Create Alter DescribeConfigs",
        GATES: "Create Describe DescribeConfigs",
        ALARMS: "Create Describe DescribeConfigs",
        ACKS: "Create Describe DescribeConfigs",
        OVERRIDES: "Create Describe DescribeConfigs",
    },
    "views": {
        RAW: "Read DescribeConfigs",
        BAD: "Write DescribeConfigs",
        SCHEMAS: "Read Write DescribeConfigs",
        FEED: "Read Write DescribeConfigs",
        ALARMS: "Read Write DescribeConfigs",
    },
    "bronze": _SINK,
    "gates": {
        RAW: "Describe",
        FEED: "Read DescribeConfigs",
        GATES: "Read Write DescribeConfigs",
        ALARMS: "Read Write DescribeConfigs",
        OVERRIDES: "Read DescribeConfigs",
    },
    "audit": {ALARMS: "Read Write DescribeConfigs"},
    "notify": {ALARMS: "Read DescribeConfigs", ACKS: "Read DescribeConfigs"},
    "api": {
        RAW: "Read",
        BAD: "Read",
        FEED: "Read",
        GATES: "Read",
        ALARMS: "Read",
        ACKS: "Read Write",
        OVERRIDES: "Write",
    },
    "ingest": {FIRST_RAW: "Write"},
    "replay": {FIRST_RAW: "Write"},
    "quarantine": {RAW: "Write", BAD: "Read", AUDIT: "Read Write", SCHEMAS: "Read"},
    "rebuild": {RAW: "Read", SCHEMAS: "Read", FEED: "Read Write"},
    "restore": {RAW: "Describe", SCHEMAS: "Read", FEED: "Read Write"},
    "doctor": {
        RAW: "Read DescribeConfigs",
        BAD: "Read DescribeConfigs",
        AUDIT: "Describe DescribeConfigs",
        SCHEMAS: "Read Describe DescribeConfigs",
        FEED: "Read DescribeConfigs",
        GATES: "Read DescribeConfigs",
        ALARMS: "Describe DescribeConfigs",
        ACKS: "Describe DescribeConfigs",
        OVERRIDES: "Describe DescribeConfigs",
    },
}
_GROUPS: dict[str, dict[str, str]] = {
    "views": {"views": "Read"},
    "bronze": {"bronze": "Read"},
    "gates": {"gates": "Read", "views": "Describe", "bronze": "Describe"},
    "notify": {"notify": "Read"},
    "api": {"bronze": "Describe"},
    "doctor": {"views": "Describe", "bronze": "Describe", "gates": "Describe"},
}
ROLES = tuple(_TOPICS)
_OPERATIONS = ("Create", "Read", "Write", "Alter", "Describe", "DescribeConfigs")
_WITH_DESCRIBE = {"Read", "Write", "Alter"}


class Acl(NamedTuple):
    """Operations on one resource, in Kafka's words. `resource`: topic, group or transactional-id; `pattern`:
    literal or prefixed; `roles`: who needs them."""

    resource: str
    name: str
    pattern: str
    operations: tuple[str, ...]
    roles: tuple[str, ...]


def acls(settings: Settings, roles: Iterable[str] = ROLES) -> list[Acl]:
    """What these roles need, all together: one entry a resource."""
    operations: dict[tuple[str, str, str], set[str]] = {}
    who: dict[tuple[str, str, str], list[str]] = {}
    for role in roles:
        for resource, name, pattern, needed in _of(settings, role):
            operations.setdefault((resource, name, pattern), set()).update(needed.split())
            who.setdefault((resource, name, pattern), []).append(role)
    return [Acl(*what, _in_order(needed), tuple(who[what])) for what, needed in operations.items()]


def topics_inspected(settings: Settings, role: str) -> set[str]:
    """The topics that a role compares with the plan before it starts. `role`: a sink of one's own, too."""
    return {acl.name for acl in acls(settings, [role]) if "DescribeConfigs" in acl.operations}


def _in_order(operations: set[str]) -> tuple[str, ...]:
    implied = {"Describe"} if operations & _WITH_DESCRIBE else set()
    return tuple(one for one in _OPERATIONS if one in operations - implied)


def _of(settings: Settings, role: str) -> Iterator[tuple[str, str, str, str]]:
    for topic, operations in _TOPICS.get(role, _SINK).items():
        for name in _names(settings, topic):
            if topic != SCHEMAS or settings.schema_registry_url:
                yield "topic", name, "literal", operations
            elif role in ("admin", "doctor"):  # who look after all topics that there are
                yield "topic", name, "literal", operations.removeprefix("Read ")
    for group, operations in _GROUPS.get(role, {}).items():
        yield "group", settings.group(group), "literal", operations
    yield from _transactional_ids(settings, role)


def _names(settings: Settings, topic: str) -> tuple[str, ...]:
    if topic == RAW:
        return settings.raw_topics
    return settings.raw_topics[:1] if topic == FIRST_RAW else (settings.topic(topic),)


def _transactional_ids(settings: Settings, role: str) -> Iterator[tuple[str, str, str, str]]:
    """A views worker has one for each partition; what writes in its place fences it by that, and the rebuild
    has others of its own."""
    if role in ("gates", "quarantine"):
        yield "transactional-id", settings.group(role), "literal", "Write"
    stem = settings.group("views")
    stems = {"views": [stem], "restore": [stem], "rebuild": [stem, f"{stem}-rebuild"]}.get(role, [])
    for one in stems:
        for topic in settings.raw_topics:
            yield "transactional-id", f"{one}-{topic}-", "prefixed", "Write"
