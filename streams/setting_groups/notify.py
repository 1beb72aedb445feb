"""How alarms reach people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streams.setting_groups.declared import setting
from streams.setting_groups.rules import file, whole


@dataclass(frozen=True, kw_only=True)
class NotifySettings:
    """How alarms reach people."""

    notify_file: Path | None = setting(  # noqa: RUF009
        "", file(), "TOML file with the webhooks that are told of alarms; `worker all` runs notify with it"
    )
    notify_give_up_seconds: int = setting(
        "3600", whole(1, 604800), "how long a webhook that does not take an alarm is tried again, in seconds"
    )
