"""How often a views worker writes and fetches."""

from __future__ import annotations

import pytest

from streams.roles.views.role import BEHIND_RECORDS, ViewsRole
from streams.settings import Settings

TRANSACTION_CPU_SECONDS = 0.0015


def role(**settings: str) -> ViewsRole:
    return ViewsRole(Settings.load({f"SLUICE_{name.upper()}": value for name, value in settings.items()}))


def test_the_setting_is_the_shortest_interval() -> None:
    assert role().interval_s(1) == 0.05
    assert role(checkpoint_ms="200").interval_s(4) == 0.2


@pytest.mark.parametrize("partitions", [4, 64, 1_000])
def test_transactions_take_a_tenth_of_the_cpu_at_most(partitions: int) -> None:
    for unread in (0, 10 * BEHIND_RECORDS):
        a_second = partitions / role().interval_s(partitions, unread)
        assert a_second * TRANSACTION_CPU_SECONDS <= 0.1 + 1e-9


@pytest.mark.parametrize("partitions", [1, 4, 64])
def test_a_worker_that_is_behind_writes_seldom(partitions: int) -> None:
    views = role()
    assert views.interval_s(partitions, BEHIND_RECORDS) == views.interval_s(partitions)
    assert views.interval_s(partitions, BEHIND_RECORDS + 1) >= max(1.0, 4 * views.interval_s(partitions))
    assert role(checkpoint_ms="60000").interval_s(partitions, BEHIND_RECORDS + 1) >= 60.0


def test_it_fetches_as_often_as_it_writes() -> None:
    views = role()
    assert [views.fetch_pause_s(count) for count in (1, 4, 64)] == [
        views.interval_s(count) for count in (1, 4, 64)
    ]
