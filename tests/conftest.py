"""Fixtures for all tests: a real Kafka, and names that nobody else uses."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.bus.embedded import EmbeddedKafka


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=10, help="how many processes a chaos test kills (10)")
    parser.addoption("--terms", type=int, default=10, help="how many processes are told to end (10)")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How many processes a chaos test is to kill."""
    kills: int = request.config.getoption("--kills")
    return kills


@pytest.fixture
def terms(request: pytest.FixtureRequest) -> int:
    """How many processes a chaos test is to tell to end."""
    terms: int = request.config.getoption("--terms")
    return terms


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """One broker for the whole run. Never stop it: a test that does takes `own_kafka`."""
    yield from _running(tmp_path_factory.mktemp("kafka"))


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker of the test's own, to stop, kill and restart."""
    yield from _running(tmp_path / "own-kafka")


@pytest.fixture
def prefix() -> str:
    """A prefix for the test's own topics, groups and transactional ids on the shared broker."""
    return f"t{uuid.uuid4().hex[:10]}-"


def _running(folder: Path) -> Iterator[EmbeddedKafka]:
    broker = EmbeddedKafka(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
