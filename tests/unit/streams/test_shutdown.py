"""A process that was told to end is gone in time, whatever it hangs in, and says where."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.support.paths import ROOT
from tests.support.programs import started

PROGRAM = """
import asyncio, gc, sys, threading, time
from streams import shutdown

async def swallow():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

class Late:
    def __del__(self, wait=time.sleep):
        wait(3600)  # at the interpreter's own end

async def main():
    stop = shutdown.stop_on_signals(SECONDS)
    print("ready", flush=True)
    HANG

def hang_later():
    LATER

shutdown.run(main(), SECONDS)
hang_later()
shutdown.end()
"""

HANGS = {
    "the loop is blocked": ("time.sleep(3600)", "pass"),
    "a lock in the loop": ("threading.Event().wait()", "pass"),
    "a loop that spins": ("while True: pass", "pass"),
    "the last step": ("await stop.wait(); threading.Event().wait()", "pass"),
    "a thread that is waited for": (
        "await stop.wait()", "t = threading.Thread(target=threading.Event().wait); t.start(); t.join()",
    ),
    "an object that hangs when it goes": (
        "await stop.wait()", "sys.modules[__name__].kept = Late(); sys.exit(0)",
    ),
}  # fmt: skip


def run(hang: tuple[str, str], seconds: float, number: signal.Signals) -> tuple[int, float, str]:
    """SIGTERM once it is ready; answers exit code, seconds until the end, and standard error."""
    code = PROGRAM.replace("HANG", hang[0]).replace("LATER", hang[1]).replace("SECONDS", str(seconds))
    with started(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        told = time.monotonic()
        process.send_signal(number)
        try:
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
        return process.returncode, time.monotonic() - told, said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_whatever_hangs_is_ended_with_1_and_named(hang: tuple[str, str], number: signal.Signals) -> None:
    code, _, said = run(hang, 0.5, number)
    assert code == 1
    assert "Timeout" in said
    assert "most recent call first" in said, "where it hung"


@pytest.mark.parametrize(
    "rest",
    [
        "asyncio.create_task(swallow())",
        "asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600)",
        "threading.Thread(target=threading.Event().wait).start()",
    ],
    ids=["a task that swallows its cancellation", "a thread of the executor", "a thread"],
)
def test_what_is_left_over_holds_up_no_clean_end(rest: str) -> None:
    code, seconds, said = run((f"{rest}; await stop.wait()", "pass"), 25.0, signal.SIGTERM)
    assert code == 0, said
    assert seconds < 20
    assert "never retrieved" not in said
