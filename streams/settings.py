"""Every setting of Sluice, declared once: an environment variable `SLUICE_…`, its default, what is allowed.

This is the only module that reads the environment. `Settings.load` raises `SettingError`, which names the
variable, its value and what is allowed; commands turn it into exit code 2.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Mapping
from dataclasses import Field, dataclass, fields
from typing import Any

from streams.setting_groups.access import AccessSettings
from streams.setting_groups.bronze import BronzeSettings
from streams.setting_groups.declared import SettingError
from streams.setting_groups.gates import GateSettings
from streams.setting_groups.http import HttpSettings
from streams.setting_groups.ingest import IngestSettings
from streams.setting_groups.kafka import KafkaSettings
from streams.setting_groups.kafka_security import KafkaSecuritySettings
from streams.setting_groups.notify import NotifySettings
from streams.setting_groups.process import ProcessSettings
from streams.setting_groups.rules import ALL
from streams.setting_groups.verify import VerifySettings
from streams.setting_groups.views import ViewSettings

__all__ = ["OWN_TOPICS", "PREFIX", "SettingError", "Settings", "child_environment", "unknown_variables"]

PREFIX = "SLUICE_"

OWN_TOPICS = (
    "views.feed",
    "events.quarantine",
    "events.quarantine.audit",
    "events.schemas",
    "ops.gates",
    "ops.alarms",
    "ops.acks",
    "ops.overrides",
)
"""What Sluice writes itself, without SLUICE_PREFIX."""


@dataclass(frozen=True, kw_only=True)
class Settings(
    ProcessSettings,
    NotifySettings,
    IngestSettings,
    AccessSettings,
    HttpSettings,
    VerifySettings,
    BronzeSettings,
    GateSettings,
    ViewSettings,
    KafkaSecuritySettings,
    KafkaSettings,
):
    """The settings of one process. Attribute = variable, lower case, without `SLUICE_`."""

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
        self.check_kafka_security()

    def _check_names(self) -> None:
        for variable, chosen in (("SLUICE_VIEWS", self.views), ("SLUICE_AUDIT_VIEWS", self.audit_views)):
            if chosen != ALL:
                from tables.views import VIEWS  # noqa: PLC0415 - the views take a moment

                _check_known(variable, chosen, VIEWS, "view")
        if self.bronze_city_domains:
            from agents.bronze.layout import known_domains  # noqa: PLC0415 - so does the catalogue

            domains = self.bronze_city_domains
            _check_known("SLUICE_BRONZE_CITY_DOMAINS", domains, known_domains(), "domain")

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


def aws_region() -> str:
    """AWS's own variable, which obstore and AWS's tools read too; empty: it says nothing."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "")


def colour_unwanted() -> bool:
    """What every program of a terminal is told by NO_COLOR (no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))


def child_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment for a process that we start: our own with these variables (`SLUICE_…`) changed."""
    return {**os.environ, **changes}
