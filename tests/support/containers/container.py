"""Runs an image without Docker: process 1 of its own namespaces, as the image's user, on a read-only root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.support.containers.image import Image
from tests.support.patience import PATIENCE
from tests.support.programs import ended

END_SECONDS = 30.0 * PATIENCE
POLL_SECONDS = 0.05
_START = """
mkdir -p "$1"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=$2:/,upperdir=$1/upper,workdir=$1/work" "$1/root"
eval "$3"
mount -o remount,ro "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
exec chroot "$1/root" "${@:4}"
"""
_NO_PRIVILEGES = ("--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")


T = TypeVar("T")


def until(condition: Callable[[], T | None], what: str, seconds: float, pause: float = POLL_SECONDS) -> T:
    """What a condition answers, once that is something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(pause)
    return found


class Network:
    """A network of its own, with a loopback alone: all ports are free, and nobody else reaches it."""

    def __enter__(self) -> Self:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep infinity"],
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"up\n"
        return self

    def inside(self, *command: str) -> list[str]:
        """A command line that is run in it."""
        return ["nsenter", "--target", str(self._holder.pid), "--net", *command]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended(self._holder)


class Container:
    """One run of an image. `tmpfs`: folder to mount options; `files`: what is read-only in the container, and
    what it is on this machine."""

    def __init__(
        self, image: Image, arguments: Sequence[str], folder: Path, *, network: Network,
        environ: Mapping[str, str], tmpfs: Mapping[str, str], files: Mapping[str, Path] | None = None,
    ) -> None:  # fmt: skip
        self.image = image
        self.environ = {**image.environ, **environ}
        self.log = folder.with_suffix(".log")
        self._network = network
        self._folder = folder
        mounts = [_tmpfs(where, options) for where, options in tmpfs.items()]
        mounts += [_read_only(where, source) for where, source in (files or {}).items()]
        command = self._as_user(*image.entrypoint, *(arguments or image.command))
        start = ["bash", "-ec", _START, "start", str(folder), str(image.layer), "\n".join(mounts), *command]
        self._command = network.inside(
            "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", *start
        )

    def _as_user(self, *command: str) -> list[str]:
        user, _, group = self.image.user.partition(":")
        pairs = [f"{name}={value}" for name, value in self.environ.items()]
        identity = [f"--reuid={user}", f"--regid={group}", *_NO_PRIVILEGES]
        return ["setpriv", *identity, "env", "-i", "-C", self.image.folder, *pairs, *command]

    def __enter__(self) -> Self:
        self._folder.mkdir()
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended(self._process)
        shutil.rmtree(self._folder)
        if error is not None:
            print(f"--- {self._folder.name} ---\n{self.said()}")  # noqa: T201

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def said(self) -> str:
        """Its output."""
        return self.log.read_text("utf-8", "replace")

    def process_1(self) -> int:
        """The number that process 1 has on this machine, once it is what the image runs."""
        of = self._process.pid

        def started() -> int | None:
            assert self.code is None, f"{self._folder.name} has ended with {self.code}:\n{self.said()}"
            for child in Path(f"/proc/{of}/task/{of}/children").read_text("utf-8").split():
                if Path(f"/proc/{child}/comm").read_text("utf-8").strip() == self.image.entrypoint[0]:
                    return int(child)
            return None

        return until(started, f"{self._folder.name} to start", END_SECONDS)

    def tell_to_stop(self) -> None:
        """What `docker stop` does: the image's signal to process 1."""
        os.kill(self.process_1(), signal.Signals[self.image.stop_signal])

    def end(self) -> int:
        """Wait for its end; answers the exit code."""
        return self._process.wait(END_SECONDS)

    def stop(self) -> int:
        """Both."""
        self.tell_to_stop()
        return self.end()

    def is_healthy(self, command: Sequence[str]) -> bool:
        """Whether a health check succeeds; fails at once when the container has ended."""
        return self.run(*command).returncode == 0

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in the container, as a health check is."""
        inside = ["nsenter", "--target", str(self.process_1()), "--mount", "--pid", "--net", "--root"]
        return subprocess.run(
            [*inside, *self._as_user(*command)],
            capture_output=True,
            text=True,
            check=False,
            timeout=END_SECONDS,
        )


def _tmpfs(where: str, options: str) -> str:
    chosen = f"-o {options}" if options else ""
    return f'mkdir -p "$1/root{where}"; mount -t tmpfs {chosen} tmpfs "$1/root{where}"'


def _read_only(where: str, source: Path) -> str:
    target = f'"$1/root{where}"'
    made = f"mkdir -p {target}" if source.is_dir() else f"install -D /dev/null {target}"
    return f'{made}; mount --bind "{source}" {target}; mount -o remount,bind,ro {target}'
