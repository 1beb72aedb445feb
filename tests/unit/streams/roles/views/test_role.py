"""How often a views worker writes and fetches."""

from __future__ import annotations

import pytest

from streams.roles.views.role import ViewsRole
from streams.settings import Settings

TRANSACTION_CPU_SECONDS = 0.0015


def role(**settings: str) -> ViewsRole:
    return ViewsRole(Settings.load({f"SLUICE_{name.upper()}": value for name, value in settings.items()}))


def test_the_setting_is_the_shortest_interval() -> None:
    assert role().interval_s(1) == 0.05
    assert role(checkpoint_ms="200").interval_s(4) == 0.2


@pytest.mark.parametrize("partitions", [4, 64, 1_000])
def test_transactions_take_a_tenth_of_the_cpu_at_most(partitions: int) -> None:
    assert partitions / role().interval_s(partitions) * TRANSACTION_CPU_SECONDS <= 0.1 + 1e-9


def test_it_fetches_as_often_as_it_writes_but_not_as_seldom() -> None:
    views = role()
    assert [views.fetch_pause_s(count) for count in (1, 4)] == [views.interval_s(count) for count in (1, 4)]
    assert role(checkpoint_ms="60000").fetch_pause_s(1) == 0.5
    assert views.fetch_pause_s(1_000) == 0.5
