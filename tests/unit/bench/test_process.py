"""What a contestant's own processes use is counted as its own, while they run and when they have ended."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.bench.process import Child

BURNT_SECONDS = 0.2
BURN = f"""
import time
held = bytearray(50 << 20)
while time.process_time() < {BURNT_SECONDS}: pass
print("burnt", flush=True)
input()
"""
PARENT = f"""
import signal, subprocess, sys
pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
child = subprocess.Popen([sys.executable, "-c", {BURN!r}], text=True, **pipes)
child.stdout.readline()
print("burnt", flush=True)
signal.sigwait([signal.SIGUSR1])
child.communicate("end")
print("ended", flush=True)
signal.pause()
"""
BLOCKED = f"import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n{PARENT}"


def test_children_are_counted(tmp_path: Path) -> None:
    with Child([sys.executable, "-c", BLOCKED], tmp_path / "log") as child:
        assert child.wait_line("^burnt$", 60.0).cpu_s >= BURNT_SECONDS
        assert child.peak_rss_mib() > 50
        os.kill(child.pid, signal.SIGUSR1)
        assert child.wait_line("^ended$", 60.0).cpu_s >= BURNT_SECONDS
