"""Every setting of Sluice, declared once: an environment variable `SLUICE_…`, its default, what is allowed.

This is the only module that reads the environment. `Settings.load` raises `SettingError`, which names the
variable, its value and what is allowed; commands turn it into exit code 2.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

PREFIX = "SLUICE_"
ALL = ("all",)
"""Where names are chosen from: no choice."""


class SettingError(ValueError):
    """A setting's value is not allowed. `str(error)` names the variable, the value and what is allowed."""

    def __init__(self, variable: str, value: str, allowed: str) -> None:
        super().__init__(f"{variable}={value!r} is not allowed: it must be {allowed}")
        self.variable = variable


T = TypeVar("T")
Number = TypeVar("Number", int, float, Decimal)
Rule = tuple[Callable[[str], T], str]
"""How a setting's text is read, with a `ValueError` for what is not allowed; and what is, in words."""


def _number(
    kind: Callable[[str], Number], pattern: str, low: Number, high: Number, words: str
) -> Rule[Number]:
    def parse(text: str) -> Number:
        number = kind(text) if re.fullmatch(pattern, text) else None  # Python takes _, blanks, other digits
        if number is None or not low <= number <= high:
            raise ValueError
        return number

    return parse, f"{words} from {low} to {high}"


def _whole(low: int, high: int) -> Rule[int]:
    return _number(int, r"-?[0-9]{1,18}", low, high, "a whole number")


def _real(low: float, high: float) -> Rule[float]:
    return _number(float, r"[0-9.eE+-]+", low, high, "a number")


def _exact(low: str, high: str) -> Rule[Decimal]:
    """A decimal fraction that is kept as it is written, for limits that are compared exactly."""
    pattern = r"[0-9]{1,9}(\.[0-9]{1,18})?"
    return _number(Decimal, pattern, Decimal(low), Decimal(high), "a decimal number")


def _choice(*allowed: str) -> Rule[str]:
    return _matching("|".join(map(re.escape, allowed)), " or ".join(allowed))


def _matching(pattern: str, words: str) -> Rule[str]:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError
        return text

    return parse, words


def _names(pattern: str, words: str) -> Rule[tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(name.strip() for name in text.split(","))
        if len(set(names)) != len(names) or not all(re.fullmatch(pattern, name) for name in names):
            raise ValueError
        return names

    return parse, words


def _perhaps(rule: Rule[tuple[str, ...]]) -> Rule[tuple[str, ...]]:
    """The same, or nothing."""
    return lambda text: rule[0](text) if text.strip() else (), rule[1]


def _names_or_all(pattern: str, words: str) -> Rule[tuple[str, ...]]:
    """Names, or `ALL`, which nothing stands for, too."""
    names, _ = _names(pattern, "")
    return lambda text: names(text) if text.strip() else ALL, words


def _file() -> Rule[Path | None]:
    def parse(text: str) -> Path | None:
        if not text:
            return None
        if not Path(text).is_file():
            raise ValueError
        return Path(text)

    return parse, "a file that exists"


def _folder() -> Rule[Path]:
    def parse(text: str) -> Path:
        if not text:
            raise ValueError
        folder = Path(text).expanduser()
        absolute = folder.absolute()
        # A link to what is not there is in the way, too: no folder can be made in its place.
        if not next(p for p in (absolute, *absolute.parents) if p.exists() or p.is_symlink()).is_dir():
            raise ValueError
        return folder

    return parse, "a folder, or a path where one can be made"


def _servers() -> Rule[tuple[str, ...]]:
    names, _ = _names(r"(?:[\w.-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}", "")

    def parse(text: str) -> tuple[str, ...]:
        servers = names(text)
        if not all(1 <= int(server.rpartition(":")[2]) <= 65535 for server in servers):
            raise ValueError
        return servers

    return parse, "host:port with a port from 1 to 65535, or several with commas"


def _setting(default: str, rule: Rule[Any], doc: str) -> Any:
    return field(metadata={"default": default, "parse": rule[0], "allowed": rule[1], "doc": doc})


OWN_TOPICS = ("views.feed", "events.quarantine", "events.quarantine.audit", "ops.gates", "ops.alarms")
"""What Sluice writes itself, without SLUICE_PREFIX."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one process. Attribute = variable, lower case, without `SLUICE_`."""

    kafka: tuple[str, ...] = _setting("127.0.0.1:9092", _servers(), "Kafka's bootstrap servers")
    kafka_security: str = _setting(
        "PLAINTEXT", _choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"), "Kafka's security protocol"
    )
    kafka_sasl_mechanism: str = _setting(
        "PLAIN", _choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"), "how SASL proves who we are"
    )
    kafka_user: str = _setting("", _matching(r"[^\s]*", "a user name"), "SASL user")
    kafka_password_file: Path | None = _setting("", _file(), "file with the SASL password")  # noqa: RUF009
    kafka_ca_file: Path | None = _setting("", _file(), "PEM file with the brokers' CAs")  # noqa: RUF009
    prefix: str = _setting(
        "",
        _matching(r"[A-Za-z0-9._-]{0,64}", "up to 64 of A-Z a-z 0-9 . _ -"),
        "prefixes all topics but the raw ones, consumer groups and transactional ids",
    )
    raw_topics: tuple[str, ...] = _setting(
        "events.raw",
        _names(r"[A-Za-z0-9._-]{1,200}", "topic names with commas, none twice, none that Sluice writes"),
        "topics to read",
    )
    partitions: int = _setting("4", _whole(1, 1000), "partitions of the topics that are made")
    replication: int = _setting("1", _whole(1, 9), "replicas of the topics that are made")
    max_event_bytes: int = _setting("65536", _whole(256, 16777216), "largest record value, in bytes")
    avro_schemas_dir: str = _setting(
        "",
        _matching(r".*", "a folder"),
        "folder of <schema id>.avsc files for records in Confluent's Avro format",
    )
    views: tuple[str, ...] = _setting(
        "all",
        _names_or_all(r"[a-z0-9_]{1,100}", "all, or names of views with commas, none twice"),
        "views that workers compute and the api answers, the same in every process; the others cost nothing",
    )
    pane_minutes: int = _setting(
        "2880",
        _whole(1, 1000000),
        "how long minute panes are kept, in minutes; never longer than SLUICE_PANE_HOURS",
    )
    pane_hours: int = _setting("840", _whole(1, 1000000), "how long hour panes are kept, in hours")
    dedupe_seconds: int = _setting(
        "3600", _whole(0, 604800), "window in which an event_id counts once, in seconds"
    )
    closed_hours: int = _setting("168", _whole(1, 1000000), "how long a closed entity is kept, in hours")
    checkpoint_ms: int = _setting("50", _whole(10, 60000), "shortest time between checkpoints, in ms")
    stale_seconds: int = _setting(
        "60", _whole(1, 86400), "age at which an unread record makes views incomplete"
    )
    session_seconds: int = _setting("10", _whole(6, 300), "group session time-out, in seconds")
    instance: str = _setting(
        "",
        _matching(r"[A-Za-z0-9._-]{0,100}", "up to 100 of A-Z a-z 0-9 . _ -"),
        "stable name of this worker (static group membership), such as a StatefulSet's pod name",
    )
    clock: str = _setting("wall", _choice("wall", "event"), "what 'now' means: the clock or the newest event")
    recon_window_hours: int = _setting(
        "24", _whole(1, 1000000), "window over which the recon gate compares charges and payouts, in hours"
    )
    recon_warn: Decimal = _setting(  # noqa: RUF009
        "0.02", _exact("0", "1000000"), "variance_ratio above which a gate warns"
    )
    recon_alarm: Decimal = _setting(  # noqa: RUF009
        "0.05", _exact("0", "1000000"), "variance_ratio above which a gate closes"
    )
    recon_min_minor: int = _setting(
        "10000",
        _whole(0, 2**53 - 1),
        "while both sides are under it, in minor units, a gate holds its state",
    )
    recon_settlement_hours: int = _setting(
        "0", _whole(0, 1000000), "how long payouts come after their charges, in hours"
    )
    gate_raise: int = _setting("3", _whole(1, 10000), "evaluations in a row that a worse state needs")
    gate_clear: int = _setting("10", _whole(1, 10000), "evaluations in a row that a better state needs")
    bronze_url: str = _setting(
        "",
        _matching(
            r"(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s?#]*)?|file:///[^\s?#]+)?",
            "s3://bucket/prefix or file:///dir, or empty for the folder bronze in SLUICE_DATA_DIR",
        ),
        "where Bronze lies",
    )
    bronze_city_domains: tuple[str, ...] = _setting(
        "",
        _perhaps(_names(r"[a-z0-9_-]{1,64}", "domains of the catalogue with commas, none twice, or empty")),
        "domains whose Bronze objects lie by city, too; empty: all of Bronze is one table",
    )
    bronze_max_seconds: int = _setting(
        "60",
        _whole(1, 86400),
        "age at which a Bronze range is closed, in seconds; ten times that while it is behind by more",
    )
    bronze_max_bytes: int = _setting(
        "67108864", _whole(1024, 2**30), "raw value at which a Bronze range is closed, in bytes"
    )
    http_host: str = _setting("127.0.0.1", _matching(r"[\w.:\[\]-]+", "a host"), "address the api listens on")
    http_port: int = _setting("8080", _whole(0, 65535), "port of the api (0: any free one)")
    metrics_host: str = _setting(
        "127.0.0.1", _matching(r"[\w.:\[\]-]+", "a host"), "address of a worker's metrics"
    )
    metrics_port: int = _setting("9100", _whole(0, 65535), "port of a worker's metrics (0: any free one)")
    stream_seconds: float = _setting("1", _real(0.1, 3600), "shortest time between two answers of a stream")
    auth: str = _setting("off", _choice("off"), "who may read the api; off needs a loopback host")
    data_dir: Path = _setting(".sluice", _folder(), "folder for what commands keep")  # noqa: RUF009
    log_level: str = _setting("INFO", _choice("DEBUG", "INFO", "WARNING", "ERROR"), "what is logged")
    emf: int = _setting("0", _whole(0, 1), "1: also write errors as CloudWatch Embedded Metric Format lines")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read and check all settings. Raises `SettingError` for the first that is not allowed."""
        env = os.environ if environ is None else environ
        values = {}
        for setting in fields(cls):
            variable = PREFIX + setting.name.upper()
            text = env.get(variable, setting.metadata["default"])
            try:
                values[setting.name] = setting.metadata["parse"](text)
            except (ValueError, OSError, RuntimeError):  # of a path, of ~somebody whom nobody knows
                raise SettingError(variable, text, setting.metadata["allowed"]) from None
        settings = cls(**values)
        settings._check_together()
        return settings

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
