"""The views that SLUICE_VIEWS names, which a worker computes and the api answers, and what bounds them."""

from __future__ import annotations

from streams.setting_groups.rules import ALL
from streams.settings import Settings
from tables.codec import LAST
from tables.fold.limits import Limits
from tables.spec.view import View
from tables.views import VIEWS


def chosen_views(settings: Settings) -> dict[str, View]:
    """By name, in the order of their declarations."""
    return {name: view for name, view in VIEWS.items() if settings.views == ALL or name in settings.views}


def limits_of(settings: Settings, partitions: int = 1) -> Limits:
    """The settings' limits on the state of a source partition, of so many that there are."""
    return Limits(
        settings.minutes_kept,
        settings.pane_hours,
        settings.dedupe_seconds,
        settings.closed_hours,
        max_groups=max(1, -(-settings.max_groups // max(1, partitions))),
        most_bad=int(settings.bad_share * LAST) if settings.bad_share else None,
    )
