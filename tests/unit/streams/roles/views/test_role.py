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


def share_of_transactions(partitions: int, unread: int) -> float:
    """Of the CPU, in a worker that writes as often as it may."""
    return partitions / role().interval_s(partitions, unread) * TRANSACTION_CPU_SECONDS


@pytest.mark.parametrize("partitions", [4, 64, 1_000])
def test_transactions_take_a_tenth_of_the_cpu_at_most_and_less_while_behind(partitions: int) -> None:
    assert share_of_transactions(partitions, BEHIND_RECORDS) <= 0.1 + 1e-9
    assert share_of_transactions(partitions, BEHIND_RECORDS + 1) <= 0.025 + 1e-9


def test_a_worker_that_is_behind_writes_once_a_second_or_as_seldom_as_it_is_set() -> None:
    assert role().interval_s(1, BEHIND_RECORDS + 1) == 1.0
    assert role(checkpoint_ms="60000").interval_s(64, BEHIND_RECORDS + 1) == 60.0


def test_it_fetches_as_often_as_it_writes_but_not_as_seldom() -> None:
    views = role()
    assert [views.fetch_pause_s(count) for count in (1, 4)] == [views.interval_s(count) for count in (1, 4)]
    assert role(checkpoint_ms="60000").fetch_pause_s(1) == 0.5
    assert views.fetch_pause_s(1_000) == 0.5
