"""The views that SLUICE_VIEWS names: what a worker computes, and the api answers."""

from __future__ import annotations

from streams.settings import ALL, Settings
from tables.spec.view import View
from tables.views import VIEWS


def chosen_views(settings: Settings) -> dict[str, View]:
    """By name, in the order of their declarations."""
    return {name: view for name, view in VIEWS.items() if settings.views == ALL or name in settings.views}
