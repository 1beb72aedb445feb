"""Every record's age is counted in its bucket, as Prometheus' own histogram would count it."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from agents.views.ages import Ages
from streams.metrics import CountedHistogram

BOUNDS = (0.05, 0.1, 1, 60)
NOW_MS = 1_800_000_000_000
AGES_MS = [0, 1, 49, 50, 51, 99, 100, 101, 999, 1_000, 1_001, 60_000, 60_001, 86_400_000]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def counted(registry: CollectorRegistry) -> CountedHistogram:
    return CountedHistogram("age_seconds", "Ages.", buckets=BOUNDS, registry=registry)


def exposed(registry: CollectorRegistry) -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if not line.startswith("age_seconds_created")]


def test_it_counts_what_an_observation_each_would(registry: CollectorRegistry) -> None:
    ages, histogram = Ages(), counted(registry)
    ages.add([NOW_MS - age for age in AGES_MS[:5]])
    ages.add([NOW_MS - age for age in AGES_MS[5:]])
    ages.observe(NOW_MS, histogram)
    own = CollectorRegistry()
    reference = Histogram("age_seconds", "Ages.", buckets=BOUNDS, registry=own)
    for age in AGES_MS:
        reference.observe(age / 1000)
    assert exposed(registry) == exposed(own)


def test_checkpoints_add_up(registry: CollectorRegistry) -> None:
    histogram = counted(registry)
    for _ in range(3):
        ages = Ages()
        ages.add([NOW_MS - 70] * 1_000)
        ages.observe(NOW_MS, histogram)
    assert registry.get_sample_value("age_seconds_count") == 3_000
    assert registry.get_sample_value("age_seconds_bucket", {"le": "0.05"}) == 0
    assert registry.get_sample_value("age_seconds_bucket", {"le": "0.1"}) == 3_000
    assert registry.get_sample_value("age_seconds_sum") == pytest.approx(210.0)


def test_a_record_dated_ahead_has_no_negative_age(registry: CollectorRegistry) -> None:
    ages, histogram = Ages(), counted(registry)
    ages.add([NOW_MS + 5_000])
    ages.observe(NOW_MS, histogram)
    assert registry.get_sample_value("age_seconds_count") == 1
    assert registry.get_sample_value("age_seconds_sum") == 0


def test_a_record_without_a_timestamp_has_no_age(registry: CollectorRegistry) -> None:
    ages, histogram = Ages(), counted(registry)
    ages.add([-1, NOW_MS - 10, -1])
    ages.observe(NOW_MS, histogram)
    assert registry.get_sample_value("age_seconds_count") == 1


def test_a_checkpoint_without_records_observes_nothing(registry: CollectorRegistry) -> None:
    histogram = counted(registry)
    Ages().observe(NOW_MS, histogram)
    assert registry.get_sample_value("age_seconds_count") == 0
