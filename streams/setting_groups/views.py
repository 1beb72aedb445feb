"""What workers compute."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from streams.setting_groups.declared import setting
from streams.setting_groups.rules import INSTALLED, choice, exact, names, names_or_all, perhaps, whole


@dataclass(frozen=True, kw_only=True)
class ViewSettings:
    """What workers compute."""

    views: tuple[str, ...] = setting(
        "all",
        names_or_all(r"[a-z0-9_]{1,100}", "all, or names of views with commas, none twice"),
        "views that workers compute and the api answers, the same in every process; the others cost nothing",
    )
    extensions: tuple[str, ...] = setting(
        INSTALLED,
        perhaps(names(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", "Python packages with commas")),
        "packages with events, views and gates of one's own, the same in every process; installed: those with"
        " an entry point in sluice.extensions; empty: none",
    )
    pane_minutes: int = setting(
        "2880",
        whole(1, 1000000),
        "how long minute panes are kept, in minutes; never longer than SLUICE_PANE_HOURS",
    )
    pane_hours: int = setting("840", whole(1, 1000000), "how long hour panes are kept, in hours")
    dedupe_seconds: int = setting(
        "3600", whole(0, 604800), "window in which an event_id counts once, in seconds"
    )
    closed_hours: int = setting("168", whole(1, 1000000), "how long a closed entity is kept, in hours")
    max_groups: int = setting(
        "100000", whole(1, 10_000_000), "groups that a windowed view may have before others are `_other`"
    )
    bad_share: Decimal = setting(  # noqa: RUF009
        "0",
        exact("0", "1"),
        "share of bad records among a partition's last 1,000 that closes the gates; 0: none",
    )
    checkpoint_ms: int = setting("50", whole(10, 60000), "shortest time between checkpoints, in ms")
    stale_seconds: int = setting(
        "60", whole(1, 86400), "age at which an unread record makes views incomplete"
    )
    clock: str = setting("wall", choice("wall", "event"), "what 'now' means: the clock or the newest event")
