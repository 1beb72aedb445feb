"""The suite's own guards: they fail what they are there for, started as a background job too."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.programs import ended, started

PRINT_SIGNALS = """
import signal
numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
print([signal.getsignal(number) != signal.SIG_IGN for number in numbers])
print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""


def run_suite(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one file of tests with this suite's settings and guards."""
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text(), encoding="utf-8")
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder),
               "-p", "no:cacheprovider", *arguments, str(folder / "test_it.py")]  # fmt: skip
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)


def test_children_get_their_default_signals() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINT_SIGNALS], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[True, True, True]\nset()\n"


def test_children_of_a_suite_in_the_background_get_their_default_signals() -> None:
    ignore = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "signal.signal(signal.SIGQUIT, signal.SIG_IGN); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    this = f"{Path(__file__)}::test_children_get_their_default_signals"
    done = subprocess.run(
        [sys.executable, "-c", ignore, "-m", "pytest", "-q", "-p", "no:cacheprovider", this],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


def test_a_test_that_hangs_fails_and_the_next_one_runs(tmp_path: Path) -> None:
    waits = (
        "time.sleep(60)",
        "subprocess.Popen(['sleep', '60']).wait()",
        "threading.Event().wait()",
        "asyncio.run(asyncio.Event().wait())",
        "asyncio.run(spinning())",
    )
    text = """
import asyncio, subprocess, threading, time, pytest

async def spinning():
    async def spin():
        while True:
            time.sleep(0.01)
            await asyncio.sleep(0)
    asyncio.create_task(spin())
    await asyncio.Event().wait()
"""
    for number, wait in enumerate(waits):
        text += f"""
@pytest.mark.filterwarnings("ignore")
def test_hangs_{number}(): {wait}

def test_next_{number}(): pass
"""
    done = run_suite(tmp_path, text, "--timeout", "0.5")
    assert "5 failed, 5 passed" in done.stdout, done.stdout
    assert done.stdout.count("Failed: Timeout") >= len(waits), done.stdout
    assert re.findall(r"^FAILED .*::(test_\w+)", done.stdout, re.MULTILINE) == [
        f"test_hangs_{number}" for number in range(len(waits))
    ]


def test_an_exception_that_nobody_takes_fails_its_test(tmp_path: Path) -> None:
    text = """
import asyncio

def raising(): raise ValueError('lost')

async def fails(): raise ValueError('lost')
"""
    for number, body in enumerate((
        "asyncio.get_running_loop().create_future().set_exception(ValueError('lost'))",
        "asyncio.create_task(fails()); await asyncio.sleep(0.01)",
        "asyncio.get_running_loop().call_soon(raising); await asyncio.sleep(0.01)",
    )):  # fmt: skip
        text += f"""
async def test_drops_{number}(): {body}

async def test_next_{number}(): pass
"""
    done = run_suite(tmp_path, text)
    assert "6 passed, 3 errors" in done.stdout, done.stdout
    assert done.stdout.count("ValueError('lost')") >= 3, done.stdout
    assert re.findall(r"^ERROR .*::(test_\w+)", done.stdout, re.MULTILINE) == [
        f"test_drops_{number}" for number in range(3)
    ]


def test_a_program_that_does_not_end_is_killed_and_fails_its_test() -> None:
    deaf = "import time; print(flush=True); time.sleep(60)"
    command = [sys.executable, "-c", deaf]
    there: list[subprocess.Popen[bytes]] = []

    def hang() -> None:
        with started(command, end_seconds=0.1, stdout=subprocess.PIPE) as program:
            there.append(program)
            assert program.stdout is not None
            program.stdout.readline()

    with pytest.raises(subprocess.TimeoutExpired):
        hang()
    assert there[0].returncode == -signal.SIGKILL
    ended(there[0])  # once more harms nothing
