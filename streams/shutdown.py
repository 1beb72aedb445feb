"""How a process of ours ends: within a bound, whatever it waits for, and saying where it hung if it did.

A guard in a Python thread dies with the interpreter that it guards, and one in the event loop with the loop.
This one is a thread of `faulthandler`, which needs neither; it writes where every Python thread is (files,
functions, line numbers: nothing of any record) to standard error, and ends the process with 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, NoReturn, TypeVar

log = logging.getLogger(__name__)

LEAVE_SECONDS = 9.0
REST_SECONDS = 1.0
STANDARD_ERROR = 2
SIGNALS = (signal.SIGTERM, signal.SIGINT)

T = TypeVar("T")


class _Guard:
    armed = False
    told = False


def end_soon(seconds: float = LEAVE_SECONDS) -> None:
    """End this process with 1 in `seconds`, if it is not gone by then. Of several calls the first counts."""
    if not _Guard.armed:
        _Guard.armed = True
        faulthandler.dump_traceback_later(seconds, exit=True, file=STANDARD_ERROR)


def hear_interrupts() -> None:
    """Let SIGINT end this process even where it was started with that ignored: for every command alike.

    A script's shell starts so what it puts into the background, and what runs there is to be ended too.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def on_signals(then: Callable[[], None] = lambda: None, seconds: float = LEAVE_SECONDS) -> None:
    """On SIGTERM and SIGINT: `end_soon`, and `then()`; at once, if one came already. For the main thread.

    A handler of Python's own, not of the event loop's: it runs as well while the loop is blocked, in between
    two instructions of the main thread.
    """

    def leave(_: int, __: FrameType | None) -> None:
        end_soon(seconds)
        _Guard.told = True
        then()

    for number in SIGNALS:
        signal.signal(number, leave)
    if _Guard.told:
        then()


def interrupt_on_signals(seconds: float = LEAVE_SECONDS) -> None:
    """On SIGTERM and SIGINT: `end_soon`, and raise KeyboardInterrupt. For the main thread."""

    def interrupt() -> NoReturn:
        raise KeyboardInterrupt

    on_signals(interrupt, seconds)


def stop_on_signals(seconds: float = LEAVE_SECONDS) -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; a process that is not gone `seconds` later is ended."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def set_stop() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: we are leaving
            loop.call_soon_threadsafe(stop.set)

    on_signals(set_stop, seconds)
    return stop


@contextlib.contextmanager
def interrupting_on_signals(seconds: float = LEAVE_SECONDS) -> Iterator[None]:
    """`interrupt_on_signals` for a part of a process; signals do afterwards what they did before."""
    with _for_a_while():
        interrupt_on_signals(seconds)
        yield


@contextlib.contextmanager
def stopping_on_signals(seconds: float = LEAVE_SECONDS) -> Iterator[asyncio.Event]:
    """`stop_on_signals`, likewise."""
    with _for_a_while():
        yield stop_on_signals(seconds)


@contextlib.contextmanager
def _for_a_while() -> Iterator[None]:
    before = [signal.getsignal(number) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)


def run(main: Coroutine[Any, Any, T], seconds: float = LEAVE_SECONDS) -> T:
    """Run a process's coroutine, as `asyncio.run` does, with an end that is bounded.

    `asyncio.run` waits without bound for tasks that swallow their cancellation, and for the threads of the
    loop's executor. When this returns or raises, the process has `seconds` to end.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        end_soon(seconds)
        loop.run_until_complete(_end_the_rest())
        asyncio.set_event_loop(None)


async def _end_the_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if not rest:
        return
    done, late = await asyncio.wait(rest, timeout=REST_SECONDS)
    for task in late:
        log.warning("still running at the end: %s", task.get_name())
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("%s ended with %s", task.get_name(), type(error).__name__)


def end(code: int = 0) -> None:
    """End the process now, when it is to end soon anyway; else nothing.

    Python's own end would wait for threads of libraries, and take locks that such threads hold.
    """
    if not _Guard.armed:
        return
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Have a task end: a cancellation may be lost within a client, so it is cancelled until it has ended, for
    five seconds at most."""
    for _ in range(10):
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=0.5)
        if done:
            if not task.cancelled():
                task.exception()  # what it failed with meanwhile is of no interest now
            return
