"""What proves and explains views: how much it may take, and when it is done."""

from __future__ import annotations

from dataclasses import dataclass

from streams.setting_groups.declared import setting
from streams.setting_groups.rules import matching, names_or_all, whole


@dataclass(frozen=True, kw_only=True)
class VerifySettings:
    """What proves and explains views: how much it may take, and when it is done."""

    verify_memory_mb: int = setting(
        "512",
        whole(64, 1_000_000),
        "memory for the records that are proved or explained, in MB; more of them go to the folder TMPDIR",
    )
    explain_seconds: int = setting(
        "60", whole(1, 3600), "how long the api explains a row before it gives up, in seconds"
    )
    audit_seconds: int = setting(
        "3600", whole(1, 604_800), "time from one audit of all views to the next, in seconds"
    )
    audit_window: str = setting(
        "2h", matching(r"[1-9][0-9]{0,8}[smhd]", "a number of s, m, h or d"), "window that an audit proves"
    )
    audit_wait_seconds: int = setting(
        "900",
        whole(1, 86_400),
        "how long an audit waits for Bronze, and may take for a view after that, in seconds",
    )
    audit_views: tuple[str, ...] = setting(
        "all",
        names_or_all(r"[a-z0-9_]{1,100}", "all, or names of views with commas"),
        "views that are audited",
    )
