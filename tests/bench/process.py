"""A contestant: one process, started, watched and ended from here, measured from outside.

CPU is the process's own clock as the kernel keeps it (user + system, all threads, ended ones included) and
those of the processes that it has started, read at the moment when a line that it writes arrives here.
Memory is the kernel's high-water mark of its resident set; of several processes their sum.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

from tests.support.paths import ROOT

STOP_SECONDS = 20.0


class Mark(NamedTuple):
    """A moment of a process: wall clock (s, monotonic), its CPU so far (s), and the line that told of it."""

    at_s: float
    cpu_s: float
    line: str


class Child:
    """A running contestant. As a context manager it is stopped (SIGTERM, then SIGKILL) on leaving."""

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._lines: list[Mark] = []
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            argv, cwd=ROOT, env={**os.environ, **(env or {})}, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self, lines: IO[str]) -> None:
        with lines, self.log.open("a", encoding="utf-8") as log:
            for line in lines:
                mark = self.mark(line.rstrip())
                log.write(line)
                log.flush()
                with self._news:
                    self._lines.append(mark)
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def mark(self, line: str = "") -> Mark:
        """This moment. A process that has ended has the CPU time 0."""
        return Mark(time.monotonic(), sum(map(_cpu_s, _family(self.pid))), line)

    def wait_line(self, pattern: str, timeout_s: float) -> Mark:
        """The first line that matches. Raises `RuntimeError` when the process ends or the time runs out."""
        wanted, seen = re.compile(pattern), 0
        deadline = time.monotonic() + timeout_s
        with self._news:
            while True:
                for mark in self._lines[seen:]:
                    if wanted.search(mark.line):
                        return mark
                seen = len(self._lines)
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise RuntimeError(
                        f"no line like {pattern!r} from the process: see {self.log}\n{self._tail()}"
                    )
                self._news.wait(min(left, 1.0))

    def lines(self) -> list[str]:
        """All that it has written so far."""
        with self._news:
            return [mark.line for mark in self._lines]

    def _tail(self) -> str:
        return "\n".join(mark.line for mark in self._lines[-20:])

    def check(self) -> None:
        """Raises `RuntimeError` if the process has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(
                f"the process ended with {self._process.returncode}: see {self.log}\n{self._tail()}"
            )

    def peak_rss_mib(self) -> float:
        """High-water mark of its resident set so far, in MiB."""
        return sum(map(_peak_mib, _family(self.pid)))

    def stop(self) -> None:
        """End it, and whatever it has started."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self._process.wait(STOP_SECONDS)
        self._reader.join(5.0)


def _family(pid: int) -> Iterator[int]:
    """A process and all that it has started and that still runs."""
    yield pid
    with contextlib.suppress(OSError):  # a thread, or the whole process, has just ended
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text(encoding="ascii").split():
                yield from _family(int(child))


def _cpu_s(pid: int) -> float:
    """CPU of one process, and of those that it has started and waited for."""
    clock = (~pid << 3) | 2  # CPUCLOCK_SCHED of a process: what clock_getcpuclockid(3) gives
    try:
        own = time.clock_gettime(clock)
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    ended = stat.rpartition(")")[2].split()[13:15]  # cutime and cstime of proc(5)
    return own + sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in this interpreter."""
    return [sys.executable, "-m", module, *arguments]
