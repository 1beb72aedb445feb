"""The configuration of Alertmanager: who is told of what, and which alerts only follow from others."""

from __future__ import annotations

from typing import Any

from streams.errors import CRITICAL, WARNING
from streams.monitoring.options import Options
from streams.monitoring.rules import written

SAME = ("alertname", "role", "instance", "view", "setting", "gate", "currency", "topic", "partition")
"""Labels that tell one cause from another, where alerts have them."""
GONE = ("SluiceWorkerDown", "SluiceRoleAbsent")
FRESHNESS = ("SluiceFreshnessBurnsFast", "SluiceFreshnessBurns", "SluiceFreshnessBudget")
BEHIND = ("SluiceLagExceeded", "SluicePartitionStuck", "SluiceRecoverySlow", "SluiceRecoveryFailing")
WAITS = ("SluiceSchemaWaits", "SluiceTopicWaits")
SECONDS, MINUTES, HOURS = 1, 60, 3600


def alertmanager_file(options: Options) -> str:
    """`alertmanager.yml`. Receivers are webhooks: put a pager's and a tracker's own in their place."""
    return written({
        "route": {
            "receiver": "ticket",
            "group_by": ["severity", "role"],
            **_pauses(options, 5 * MINUTES, 5 * MINUTES, 24 * HOURS),
            "routes": [
                {
                    "receiver": "page",
                    "matchers": [f'severity="{CRITICAL}"'],
                    **_pauses(options, 30 * SECONDS, MINUTES, 4 * HOURS),
                }
            ],
        },
        "inhibit_rules": _inhibitions(),
        "receivers": [
            _webhook("page", options.page_url),
            _webhook("ticket", options.ticket_url),
        ],
    })  # fmt: skip


def _pauses(
    options: Options, wait_seconds: int, interval_seconds: int, repeat_seconds: int
) -> dict[str, str]:
    """Before a group is told of, between its changes, and until it is told of again."""
    return {
        "group_wait": options.duration(wait_seconds),
        "group_interval": options.duration(interval_seconds),
        "repeat_interval": options.duration(repeat_seconds),
    }


def _webhook(name: str, url: str) -> dict[str, Any]:
    return {"name": name, "webhook_configs": [{"url": url, "send_resolved": True}]}


def _inhibitions() -> list[dict[str, Any]]:
    views = 'role="views"'
    return [
        # The same, in a worse degree.
        _inhibited([f'severity="{CRITICAL}"'], [f'severity="{WARNING}"'], *SAME),
        _inhibited([_one(FRESHNESS[:1])], [_one(FRESHNESS[1:])]),
        _inhibited([_one(FRESHNESS[1:2])], [_one(FRESHNESS[2:])]),
        # A process that is gone is why its role is behind, stands still or is not ready.
        _inhibited([_one(GONE)], [_one((*BEHIND, *FRESHNESS, "SluiceNotReady", "SluiceBronzeOld"))], "role"),
        _inhibited([_one(("SluiceViewsInterrupted",))], [_one(FRESHNESS), f'severity="{CRITICAL}"']),
        _inhibited([_one(GONE), 'role="gates"'], [_one(("SluiceGatesNotEvaluated",))]),
        _inhibited([_one(GONE), views], [_one(("SluiceAnswersIncomplete",))]),
        # What is behind is not fresh either, and an answer that rests on it is not complete.
        _inhibited([_one(BEHIND), views], [_one((*FRESHNESS, "SluiceAnswersIncomplete"))]),
        # Gates are stale because of the views: then those are to be mended.
        _inhibited([_one((*GONE, *BEHIND, "SluiceBreakerTripped")), views], [_one(("SluiceGateStale",))]),
        _inhibited([_one(WAITS), views], [_one((*BEHIND, "SluiceGateStale"))]),
    ]  # fmt: skip


def _one(names: tuple[str, ...]) -> str:
    return f'alertname=~"{"|".join(names)}"' if len(names) > 1 else f'alertname="{names[0]}"'


def _inhibited(source: list[str], target: list[str], *equal: str) -> dict[str, Any]:
    return {"source_matchers": source, "target_matchers": target, **({"equal": list(equal)} if equal else {})}
