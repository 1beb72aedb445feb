"""Programs that a test starts itself: none outlives its test, and no wait for one is without a bound."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

END_SECONDS = 30.0


@contextmanager
def started(
    arguments: Sequence[str], *, end_seconds: float = END_SECONDS, **options: Any
) -> Iterator[subprocess.Popen[Any]]:
    """A program that must have ended by itself within `end_seconds` of the block's end; else it is killed.

    `Popen` as a context manager waits for ever for a program that was not told to end, or did not hear it.
    """
    program = subprocess.Popen(arguments, **options)
    try:
        yield program
        program.wait(end_seconds)
    finally:
        ended(program)


def ended(program: subprocess.Popen[Any]) -> None:
    """SIGKILL for what still runs; its pipes are closed."""
    program.kill()
    program.wait(END_SECONDS)
    for pipe in (program.stdin, program.stdout, program.stderr):
        if pipe is not None:
            pipe.close()


def ignoring_interrupts() -> None:
    """A `preexec_fn`: as a script's shell starts a program in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
