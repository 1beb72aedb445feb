"""What holds for every test: its time is bounded, its children get their default signals, and no future's
exception is dropped (asyncio tells of those by its exception handler alone, not as a warning)."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Generator
from typing import Any

import pytest

AGAIN_SECONDS = 5.0
TEARDOWN_SECONDS = 60.0

dropped: list[str] = []
"""What event loops have said in vain since the last test: exceptions that nobody processed, tasks that nobody
awaited, clients that nobody closed."""


def default_signals() -> None:
    """Undo what a background job or `nohup` hands down: ignored signals, which children would inherit too.

    A signal with a handler is back at its default in a child, so this process keeps Python's own.
    """
    numbers: dict[signal.Signals, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGQUIT: signal.SIG_DFL,
    }
    for number, handler in numbers.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def watch_event_loops() -> None:
    """Keep what any event loop of this process reports to its exception handler."""
    loops = asyncio.base_events.BaseEventLoop
    handle = loops.call_exception_handler

    def call_exception_handler(self: asyncio.base_events.BaseEventLoop, context: dict[str, Any]) -> None:
        message, error = context.get("message", "an error"), context.get("exception")
        source = context.get("task") or context.get("future") or context.get("handle") or ""
        dropped.append(f"{message}: {error!r} {source!r}")
        handle(self, context)

    loops.call_exception_handler = call_exception_handler  # type: ignore[method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> Generator[None, Any, Any]:
    """Let the alarm come again: an event loop takes one that comes in a callback for the callback's error."""
    answer = yield
    if settings.method == "signal":
        signal.setitimer(signal.ITIMER_REAL, settings.timeout, AGAIN_SECONDS)
    return answer


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test that has timed out has time to put its programs away, and no alarm comes twice meanwhile."""
    left, again = signal.getitimer(signal.ITIMER_REAL)
    if left or again:
        signal.setitimer(signal.ITIMER_REAL, max(left, TEARDOWN_SECONDS))
    return (yield)


@pytest.fixture(autouse=True)
def _nothing_dropped(request: pytest.FixtureRequest) -> Generator[None]:
    """Fail the test in whose time an event loop complained."""
    dropped.clear()
    yield
    if request.node.get_closest_marker("asyncio") is not None:
        gc.collect(1)  # a future complains when it is collected
    complaints = dropped.copy()
    dropped.clear()
    assert not complaints, "dropped by an event loop:\n" + "\n".join(complaints)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if what only a last collection finds was dropped."""
    gc.collect()
    if dropped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why."""
    for complaint in dropped:
        terminalreporter.write_line(f"dropped by an event loop after the last test: {complaint}", red=True)
