"""Every setting of Sluice, declared once: an environment variable `SLUICE_…`, its default, what is allowed.

This is the only module that reads the environment. `Settings.load` raises `SettingError`, which names the
variable, its value and what is allowed; commands turn it into exit code 2.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Mapping
from dataclasses import Field, dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from streams.setting_rules import (
    ALL,
    INSTALLED,
    Rule,
    choice,
    exact,
    file,
    folder,
    matching,
    names,
    names_or_all,
    pairs,
    perhaps,
    real,
    servers,
    whole,
)

PREFIX = "SLUICE_"


class SettingError(ValueError):
    """A setting's value is not allowed. `str(error)` names the variable, the value and what is allowed."""

    def __init__(self, variable: str, value: str, allowed: str) -> None:
        super().__init__(f"{variable}={value!r} is not allowed: it must be {allowed}")
        self.variable = variable


def _setting(default: str, rule: Rule[Any], doc: str) -> Any:
    return field(metadata={"default": default, "parse": rule[0], "allowed": rule[1], "doc": doc})


OWN_TOPICS = (
    "views.feed",
    "events.quarantine",
    "events.quarantine.audit",
    "events.schemas",
    "ops.gates",
    "ops.alarms",
)
"""What Sluice writes itself, without SLUICE_PREFIX."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one process. Attribute = variable, lower case, without `SLUICE_`."""

    kafka: tuple[str, ...] = _setting("127.0.0.1:9092", servers(), "Kafka's bootstrap servers")
    kafka_security: str = _setting(
        "PLAINTEXT", choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"), "Kafka's security protocol"
    )
    kafka_sasl_mechanism: str = _setting(
        "PLAIN", choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"), "how SASL proves who we are"
    )
    kafka_user: str = _setting("", matching(r"[^\s]*", "a user name"), "SASL user")
    kafka_password_file: Path | None = _setting("", file(), "file with the SASL password")  # noqa: RUF009
    kafka_ca_file: Path | None = _setting("", file(), "PEM file with the brokers' CAs")  # noqa: RUF009
    prefix: str = _setting(
        "",
        matching(r"[A-Za-z0-9._-]{0,64}", "up to 64 of A-Z a-z 0-9 . _ -"),
        "prefixes all topics but the raw ones, consumer groups and transactional ids",
    )
    raw_topics: tuple[str, ...] = _setting(
        "events.raw",
        names(r"[A-Za-z0-9._-]{1,200}", "topic names with commas, none twice, none that Sluice writes"),
        "topics to read",
    )
    partitions: int = _setting("4", whole(1, 1000), "partitions of the topics that are made")
    replication: int = _setting("1", whole(1, 9), "replicas of the topics that are made")
    max_event_bytes: int = _setting("65536", whole(256, 16777216), "largest record value, in bytes")
    schema_registry_url: str = _setting(
        "",
        matching(r"(https?://[^\s?#@]+|file:///[^\s?#]+)?", "http(s)://host:port/path or file:///folder"),
        "registry of the producers' schemas (Confluent's API), or a folder of <schema id>.avsc files",
    )
    schema_registry_user: str = _setting("", matching(r"[^\s:]*", "a user name"), "registry's user")
    schema_registry_password_file: Path | None = _setting("", file(), "file with its password")  # noqa: RUF009
    schema_registry_token_file: Path | None = _setting(  # noqa: RUF009
        "", file(), "file with the registry's bearer token, instead of user and password"
    )
    schema_registry_ca_file: Path | None = _setting("", file(), "PEM file with the registry's CAs")  # noqa: RUF009
    registry_wait_seconds: int = _setting(
        "30",
        whole(0, 3600),
        "how long records of a schema that was never seen wait for a registry that does not answer",
    )
    views: tuple[str, ...] = _setting(
        "all",
        names_or_all(r"[a-z0-9_]{1,100}", "all, or names of views with commas, none twice"),
        "views that workers compute and the api answers, the same in every process; the others cost nothing",
    )
    extensions: tuple[str, ...] = _setting(
        INSTALLED,
        perhaps(names(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", "Python packages with commas")),
        "packages with events and views of one's own, the same in every process; installed: those with an"
        " entry point in sluice.extensions; empty: none",
    )
    pane_minutes: int = _setting(
        "2880",
        whole(1, 1000000),
        "how long minute panes are kept, in minutes; never longer than SLUICE_PANE_HOURS",
    )
    pane_hours: int = _setting("840", whole(1, 1000000), "how long hour panes are kept, in hours")
    dedupe_seconds: int = _setting(
        "3600", whole(0, 604800), "window in which an event_id counts once, in seconds"
    )
    closed_hours: int = _setting("168", whole(1, 1000000), "how long a closed entity is kept, in hours")
    max_groups: int = _setting(
        "100000", whole(1, 10_000_000), "groups that a windowed view may have before others are `_other`"
    )
    bad_share: Decimal = _setting(  # noqa: RUF009
        "0",
        exact("0", "1"),
        "share of bad records among a partition's last 1,000 that closes the gates; 0: none",
    )
    checkpoint_ms: int = _setting("50", whole(10, 60000), "shortest time between checkpoints, in ms")
    stale_seconds: int = _setting(
        "60", whole(1, 86400), "age at which an unread record makes views incomplete"
    )
    session_seconds: int = _setting("10", whole(6, 300), "group session time-out, in seconds")
    instance: str = _setting(
        "",
        matching(r"[A-Za-z0-9._-]{0,100}", "up to 100 of A-Z a-z 0-9 . _ -"),
        "stable name of this worker (static group membership), such as a StatefulSet's pod name",
    )
    clock: str = _setting("wall", choice("wall", "event"), "what 'now' means: the clock or the newest event")
    recon_window_hours: int = _setting(
        "24", whole(1, 1000000), "window over which the recon gate compares charges and payouts, in hours"
    )
    recon_warn: Decimal = _setting(  # noqa: RUF009
        "0.02", exact("0", "1000000"), "variance_ratio above which a gate warns"
    )
    recon_alarm: Decimal = _setting(  # noqa: RUF009
        "0.05", exact("0", "1000000"), "variance_ratio above which a gate closes"
    )
    recon_min_minor: int = _setting(
        "10000",
        whole(0, 2**53 - 1),
        "while both sides are under it, in minor units, a gate holds its state",
    )
    recon_settlement_hours: int = _setting(
        "0", whole(0, 1000000), "how long payouts come after their charges, in hours"
    )
    gate_raise: int = _setting("3", whole(1, 10000), "evaluations in a row that a worse state needs")
    gate_clear: int = _setting("10", whole(1, 10000), "evaluations in a row that a better state needs")
    bronze_url: str = _setting(
        "",
        matching(
            r"(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s?#]*)?|file:///[^\s?#]+)?",
            "s3://bucket/prefix or file:///dir, or empty for the folder bronze in SLUICE_DATA_DIR",
        ),
        "where Bronze lies",
    )
    bronze_city_domains: tuple[str, ...] = _setting(
        "",
        perhaps(names(r"[a-z0-9_-]{1,64}", "domains of the catalogue with commas, none twice, or empty")),
        "domains whose Bronze objects lie by city, too; empty: all of Bronze is one table",
    )
    bronze_max_seconds: int = _setting(
        "60",
        whole(1, 86400),
        "age at which a Bronze range is closed, in seconds; ten times that while it is behind by more",
    )
    bronze_max_bytes: int = _setting(
        "67108864", whole(1024, 2**30), "raw value at which a Bronze range is closed, in bytes"
    )
    http_host: str = _setting("127.0.0.1", matching(r"[\w.:\[\]-]+", "a host"), "address the api listens on")
    http_port: int = _setting("8080", whole(0, 65535), "port of the api (0: any free one)")
    metrics_host: str = _setting(
        "127.0.0.1", matching(r"[\w.:\[\]-]+", "a host"), "address of a worker's metrics"
    )
    metrics_port: int = _setting("9100", whole(0, 65535), "port of a worker's metrics (0: any free one)")
    stream_seconds: float = _setting("1", real(0.1, 3600), "shortest time between two answers of a stream")
    auth: str = _setting("off", choice("off"), "who may read the api; off needs a loopback host")
    ingest_host: str = _setting(
        "127.0.0.1", matching(r"[\w.:\[\]-]+", "a host"), "address that ingest listens on"
    )
    ingest_port: int = _setting("8090", whole(0, 65535), "port of ingest (0: any free one)")
    ingest_tokens_file: Path | None = _setting(  # noqa: RUF009
        "",
        file(),
        "who may post to ingest: name,sha256 of the token[,events per second] a line; without it only a"
        " loopback host is possible",
    )
    ingest_body_bytes: int = _setting(
        "4194304", whole(1024, 2**28), "largest body that is taken by ingest, in bytes"
    )
    ingest_inflight_bytes: int = _setting(
        "67108864",
        whole(1024, 2**33),
        "bodies that ingest holds until Kafka has acknowledged them, in bytes",
    )
    ingest_wait_seconds: float = _setting(
        "10", real(0.1, 600), "how long ingest waits for Kafka's acknowledgement before it answers 503"
    )
    stripe_secret_file: Path | None = _setting(  # noqa: RUF009
        "",
        file(),
        "file with the signing secrets of Stripe's webhooks, one a line; without it ingest has none",
    )
    stripe_metadata: tuple[tuple[str, str], ...] = _setting(
        "",
        pairs("booking_id", "provider_id", "city"),
        "keys of Stripe's metadata that are named otherwise: booking_id=order,city=town",
    )
    debezium_columns: tuple[tuple[str, str], ...] = _setting(
        "",
        pairs("id", "type", "payload", "timestamp", "source", "city"),
        "columns of the outbox table that are named otherwise: id=event_uuid,type=event_type",
    )
    data_dir: Path = _setting(".sluice", folder(), "folder for what commands keep")  # noqa: RUF009
    log_level: str = _setting("INFO", choice("DEBUG", "INFO", "WARNING", "ERROR"), "what is logged")
    emf: int = _setting("0", whole(0, 1), "1: also write errors as CloudWatch Embedded Metric Format lines")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read and check all settings. Raises `SettingError` for the first that is not allowed."""
        env = os.environ if environ is None else environ
        settings = cls(**{setting.name: _value(setting, env) for setting in fields(cls)})
        settings._check_together()
        return settings

    @classmethod
    def one(cls, name: str, environ: Mapping[str, str] | None = None) -> Any:
        """One setting alone, by its attribute's name: what has to be known before the others can be checked.
        Raises `SettingError`."""
        (setting,) = (setting for setting in fields(cls) if setting.name == name)
        return _value(setting, os.environ if environ is None else environ)

    @property
    def minutes_kept(self) -> int:
        """For how many minutes there are panes of a minute: panes of an hour are not outlived."""
        return min(self.pane_minutes, self.pane_hours * 60)

    def _check_together(self) -> None:
        own = [name for name in map(self.topic, OWN_TOPICS) if name in self.raw_topics]
        if own:
            raise SettingError(
                "SLUICE_RAW_TOPICS",
                ",".join(self.raw_topics),
                f"topics of the producers: Sluice writes {', '.join(own)} itself",
            )
        self._check_names()
        if self.ingest_inflight_bytes < self.ingest_body_bytes:
            raise SettingError(
                "SLUICE_INGEST_INFLIGHT_BYTES",
                str(self.ingest_inflight_bytes),
                f"at least SLUICE_INGEST_BODY_BYTES ({self.ingest_body_bytes})",
            )
        if self.recon_warn > self.recon_alarm:
            raise SettingError(
                "SLUICE_RECON_WARN", str(self.recon_warn), f"at most SLUICE_RECON_ALARM ({self.recon_alarm})"
            )
        if self.kafka_security.startswith("SASL") and not (self.kafka_user and self.kafka_password_file):
            raise SettingError(
                "SLUICE_KAFKA_SECURITY",
                self.kafka_security,
                "set with SLUICE_KAFKA_USER and SLUICE_KAFKA_PASSWORD_FILE",
            )

    def _check_names(self) -> None:
        if self.views != ALL:
            from tables.views import VIEWS  # noqa: PLC0415 - the views take a moment

            _check_known("SLUICE_VIEWS", self.views, VIEWS, "view")
        if self.bronze_city_domains:
            from agents.bronze.layout import known_domains  # noqa: PLC0415 - so does the catalogue

            domains = self.bronze_city_domains
            _check_known("SLUICE_BRONZE_CITY_DOMAINS", domains, known_domains(), "domain")

    def check_gates(self) -> None:
        """The gates' view has to be computed, and their window to lie within what it keeps.

        Only who runs gates needs it: the other roles go on without. Raises `SettingError`.
        """
        if self.views != ALL:
            from tables.gates.figures import VIEW  # noqa: PLC0415 - the views take a moment

            if VIEW not in self.views:
                allowed = f"all, or with {VIEW} among them: the gates are evaluated from it"
                raise SettingError("SLUICE_VIEWS", ",".join(self.views), allowed)
        if self.recon_window_hours + self.recon_settlement_hours > self.pane_hours:
            allowed = f"with SLUICE_RECON_SETTLEMENT_HOURS at most SLUICE_PANE_HOURS ({self.pane_hours})"
            raise SettingError("SLUICE_RECON_WINDOW_HOURS", str(self.recon_window_hours), allowed)

    def topic(self, name: str) -> str:
        """The full name of one of our own topics (`events.quarantine`, `views.feed`, …)."""
        return self.prefix + name

    def group(self, role: str) -> str:
        """The consumer group of a role, also the stem of its transactional ids."""
        return f"{self.prefix}sluice-{role}"


def _value(setting: Field[Any], environ: Mapping[str, str]) -> Any:
    variable = PREFIX + setting.name.upper()
    text = environ.get(variable, setting.metadata["default"])
    try:
        return setting.metadata["parse"](text)
    except (ValueError, OSError, RuntimeError):  # of a path, of ~somebody whom nobody knows
        raise SettingError(variable, text, setting.metadata["allowed"]) from None


def _check_known(variable: str, names: Collection[str], known: Collection[str], what: str) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        allowed = f"some of {', '.join(known)}: there is no {what} {' or '.join(unknown)}"
        raise SettingError(variable, ",".join(names), allowed)


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Variables that begin like settings and are none, sorted, each with `: did you mean …?` or nothing."""
    known = [PREFIX + setting.name.upper() for setting in fields(Settings)]
    env = os.environ if environ is None else environ
    found = sorted(name for name in env if name.upper().startswith(PREFIX) and name not in known)
    hints = [difflib.get_close_matches(name.upper(), known, 1, 0.8) for name in found]
    return [
        (name, f": did you mean {near[0]}?" if near else "") for name, near in zip(found, hints, strict=True)
    ]


def child_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment for a process that we start: our own with these variables (`SLUICE_…`) changed."""
    return {**os.environ, **changes}
