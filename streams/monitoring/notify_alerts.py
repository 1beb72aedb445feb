"""Alerts about who tells people of alarms: where `sluice notify` runs, and does not get through."""

from __future__ import annotations

from streams import metrics
from streams.errors import CRITICAL, WARNING
from streams.monitoring.rule import Alert, Group, Query

MINUTE = 60
PAGE = "alarms-untold"


def notify(query: Query) -> Group:
    """Silent where no process of the role has ever been scraped: Alertmanager may be all that is wanted."""
    leads = query(metrics.NOTIFY_LEADS, role="notify")  # every process exports it, as 0
    pending = query(metrics.NOTIFY_PENDING)
    given_up = query(metrics.NOTIFY_POSTS, 'outcome="given_up"')
    return Group("sluice-notify", (
        Alert(
            "SluiceNotifyIdle", CRITICAL, f"max({leads}) == 0", page=PAGE, for_seconds=2 * MINUTE,
            role="notify", summary="Processes of notify run, and none of them tells people of alarms",
        ),
        Alert(
            "SluiceNotifyGivenUp", CRITICAL,
            f"sum by (target) (increase({given_up}{query.window(15 * MINUTE)})) > 0", page=PAGE,
            role="notify", summary="{{ $labels.target }} was not told of alarms",
        ),
        Alert(
            "SluiceNotifyWaits", WARNING, f"max by (target) ({pending}) > 0", page=PAGE,
            for_seconds=10 * MINUTE, role="notify", summary="{{ $labels.target }} takes no alarms",
        ),
    ))  # fmt: skip
