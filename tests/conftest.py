"""Fixtures for all tests: a real Kafka, and names that nobody else uses."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.support.examples  # noqa: F401 - loads the profile of Hypothesis
from streams.embedded.broker import EmbeddedKafka
from tests.support.golden import Golden
from tests.support.guards import (  # noqa: F401 - hooks and fixtures that pytest finds here
    _nothing_dropped,
    default_signals,
    pytest_runtest_teardown,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_timeout_set_timer,
    watch_event_loops,
)
from tests.support.kafka import running
from tests.support.patience import PATIENCE
from tests.support.registry import Registry
from tests.support.versity import (  # noqa: F401
    last_and_begun,
    pytest_runtest_protocol,
    pytest_unconfigure,
)

os.environ["SLUICE_EXTENSIONS"] = ""  # whatever is installed here: tests that want one name it


def pytest_configure() -> None:
    default_signals()
    watch_event_loops()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A chaos test takes as long as its kills, and each waits for a session or a recovery. All tests have
    `PATIENCE`."""
    for item in items:
        if item.path.parent.name == "chaos" and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600 + 60 * config.getoption("--kills")))
        marked = item.get_closest_marker("timeout")
        if marked is not None:
            item.add_marker(pytest.mark.timeout(marked.args[0] * PATIENCE), append=False)
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    items.sort(key=_room)
    last_and_begun(items)


def _room(item: pytest.Item) -> int:
    """What takes longest comes first, so that no process is left alone with it at the end."""
    rooms = ("chaos", "integration")
    return next((number for number, room in enumerate(rooms) if room in item.path.parts), len(rooms))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=10, help="how many processes a chaos test kills (10)")
    parser.addoption("--terms", type=int, default=10, help="how many processes are told to end (10)")
    parser.addoption("--long", action="store_true", help="also what is `long`: the same with other values")
    parser.addoption("--regold", action="store_true", help="write tests/golden anew (`make gold`)")


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


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Holds what commands show against tests/golden."""
    return Golden(anew=request.config.getoption("--regold"))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """One broker for the whole run. Never stop it: a test that does takes `own_kafka`."""
    yield from running(EmbeddedKafka(tmp_path_factory.mktemp("kafka")))


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker of the test's own, to stop, kill and restart."""
    yield from running(EmbeddedKafka(tmp_path / "own-kafka"))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One schema registry for the whole run: subjects are named by the tests' prefixes. Never stop it."""
    with Registry(tmp_path_factory.mktemp("registry")) as one:
        yield one


@pytest.fixture
def prefix() -> str:
    """A prefix for the test's own topics, groups and transactional ids on the shared broker."""
    return f"t{uuid.uuid4().hex[:10]}-"
