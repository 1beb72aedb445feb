"""Kafka: where it is, its topics; and the registry of schemas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streams.setting_groups.declared import setting
from streams.setting_groups.rules import file, matching, names, servers, whole


@dataclass(frozen=True, kw_only=True)
class KafkaSettings:
    """Kafka: where it is, its topics; and the registry of schemas."""

    kafka: tuple[str, ...] = setting("127.0.0.1:9092", servers(), "Kafka's bootstrap servers")
    prefix: str = setting(
        "",
        matching(r"[A-Za-z0-9._-]{0,64}", "up to 64 of A-Z a-z 0-9 . _ -"),
        "prefixes all topics but the raw ones, consumer groups and transactional ids",
    )
    raw_topics: tuple[str, ...] = setting(
        "events.raw",
        names(r"[A-Za-z0-9._-]{1,200}", "topic names with commas, none twice, none that Sluice writes"),
        "topics to read",
    )
    partitions: int = setting("4", whole(1, 1000), "partitions of the topics that are made")
    replication: int = setting("1", whole(1, 9), "replicas of the topics that are made")
    max_event_bytes: int = setting("65536", whole(256, 16777216), "largest record value, in bytes")
    schema_registry_url: str = setting(
        "",
        matching(r"(https?://[^\s?#@]+|file:///[^\s?#]+)?", "http(s)://host:port/path or file:///folder"),
        "registry of the producers' schemas (Confluent's API), or a folder of <schema id>.avsc files",
    )
    schema_registry_user: str = setting("", matching(r"[^\s:]*", "a user name"), "registry's user")
    schema_registry_password_file: Path | None = setting("", file(), "file with its password")  # noqa: RUF009
    schema_registry_token_file: Path | None = setting(  # noqa: RUF009
        "", file(), "file with the registry's bearer token, instead of user and password"
    )
    schema_registry_ca_file: Path | None = setting("", file(), "PEM file with the registry's CAs")  # noqa: RUF009
    registry_wait_seconds: int = setting(
        "30",
        whole(0, 3600),
        "how long records of a schema that was never seen wait for a registry that does not answer",
    )
    session_seconds: int = setting("10", whole(6, 300), "group session time-out, in seconds")
    instance: str = setting(
        "",
        matching(r"[A-Za-z0-9._-]{0,100}", "up to 100 of A-Z a-z 0-9 . _ -"),
        "stable name of this worker (static group membership), such as a StatefulSet's pod name",
    )
